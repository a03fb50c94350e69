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


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 cores, all of which this process may run on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)


def version_1(groups: Path, controller: str) -> Path:
    """The folder of the group job/step of a controller of version 1, made beside the groups of version 2."""
    capacity.OWN_GROUPS.write_text(f"4:{controller},{controller}acct:/job/step\n1:name=systemd:/\n0::/\n")
    (groups / controller / "job" / "step").mkdir(parents=True)
    return groups / controller / "job" / "step"


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


def test_a_control_group_of_version_1_leaves_less(groups: Path) -> None:
    group = version_1(groups, "memory")
    (group / "memory.limit_in_bytes").write_text(f"{5 * GB}\n")
    (group / "memory.usage_in_bytes").write_text(f"{3 * GB}\n")
    (group / "memory.stat").write_text(f"inactive_file 7\ntotal_inactive_file {GB}\n")
    assert capacity.free_bytes() == 3 * GB


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, 64),
        ({"job/step": "max 100000"}, 64),
        ({"job/step": "200000 100000"}, 2),
        ({"job/step": "150000 100000"}, 1),
        ({"job/step": "50000 100000"}, 1),
        ({"job": "300000 100000", "job/step": "max 100000"}, 3),
        ({"job": "100000 50000", "job/step": "800000 100000"}, 2),
        ({".": "500000 100000"}, 5),
        ({"job/step": "9900000 100000"}, 64),
        ({"job/step": "damaged"}, 64),
    ],
)
def test_a_quota_of_the_control_group_or_one_above_it_leaves_whole_cores_and_one_at_least(
    limits: dict[str, str], cores: int, groups: Path, many_cores: None
) -> None:
    for group, limit in limits.items():
        (groups / group / "cpu.max").write_text(f"{limit}\n")
    assert capacity.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [(-1, 64), (250000, 2), (20000, 1)])
@pytest.mark.parametrize("limited", ["job/step", "job", "."], ids=["own", "above", "root"])
def test_so_does_a_quota_of_version_1(limited: str, quota: int, cores: int, groups: Path, many_cores: None) -> None:
    version_1(groups, "cpu")
    (groups / "cpu" / limited / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (groups / "cpu" / limited / "cpu.cfs_period_us").write_text("100000\n")
    assert capacity.cores() == cores


def test_a_system_without_control_groups_has_all_its_cores(groups: Path, many_cores: None) -> None:
    (groups / "job" / "step" / "cpu.max").write_text("200000 100000\n")
    capacity.OWN_GROUPS.unlink()
    assert capacity.cores() == 64


def test_of_the_cores_those_count_that_may_be_used(groups: Path) -> None:
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
