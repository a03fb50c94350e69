from __future__ import annotations

import os
from pathlib import Path

import pytest

from stalefl.machine import capacity

GB = 10**9


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process in the control group job/step, on a machine that has 8 GB left."""
    (tmp_path / "own").write_text("1:cpu:/elsewhere\n0::/job/step\n")
    (tmp_path / "root" / "job" / "step").mkdir(parents=True)
    monkeypatch.setattr(capacity, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(capacity, "CONTROL_GROUPS", tmp_path / "root")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 8 * GB}))
    return tmp_path / "root"


def write(folder: Path, limit: object, used: int, files: int = 0) -> None:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\nactive_file 7\ninactive_file {files}\n")


def test_without_a_limit_all_that_the_machine_has_left_is_free(groups: Path) -> None:
    write(groups / "job" / "step", "max", 3 * GB)
    assert capacity.free_bytes() == 8 * GB
    capacity.OWN_GROUPS.unlink()
    assert capacity.free_bytes() == 8 * GB


@pytest.mark.parametrize("limited", ["job", "job/step"])
def test_a_control_group_or_one_above_it_leaves_less(limited: str, groups: Path) -> None:
    write(groups / limited, 5 * GB, 3 * GB, files=GB)
    assert capacity.free_bytes() == 3 * GB


def test_a_group_over_its_limit_leaves_nothing(groups: Path) -> None:
    write(groups / "job", 5 * GB, 6 * GB)
    assert capacity.free_bytes() == 0


def test_of_the_cores_those_count_that_may_be_used() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system pins no process")
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert capacity.cores() == 1
    finally:
        os.sched_setaffinity(0, mine)
    assert capacity.cores() == len(mine)


def test_this_process_takes_something() -> None:
    assert 10**7 < capacity.own_bytes() < 10**12
