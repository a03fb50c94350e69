from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stalefl.machine.processes import ProcessKilled, fitting_jobs, new_stop, run_all


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Any:
    """By its bare name: what other processes would find as ``tests`` may be that of an installed package."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    return importlib.import_module("work_of_processes")


def test_side_by_side_or_one_after_another_is_the_same(work: Any) -> None:
    for jobs in (1, 2):
        events: list[tuple[int, Any]] = []
        results = run_all(
            work.square, [5, 3, 4], jobs, lambda index, event, seen=events: seen.append((index, event)), new_stop()
        )
        assert results == [25, 9, 16]
        assert len(events) == 6
        for index, task in enumerate([5, 3, 4]):
            assert [event for place, event in events if place == index] == [("begun", task), ("done", task)]


def test_no_tasks(work: Any) -> None:
    assert run_all(work.square, [], 4, lambda index, event: None, new_stop()) == []


def test_what_has_not_begun_when_stopped_is_left_undone(work: Any) -> None:
    stop = new_stop()
    results = run_all(work.square, [5, 3, 4], 1, lambda index, event: stop.set() if index == 1 else None, stop)
    assert results == [25, 9, None]


def test_the_stop_reaches_other_processes(work: Any) -> None:
    stop = new_stop()
    results = run_all(work.wait_to_be_stopped, [0, 1, 2, 3], 2, lambda index, event: stop.set(), stop)
    assert "stopped" in results
    assert set(results) <= {"stopped", None}
    assert results[-1] is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_task_raises_is_raised(jobs: int, work: Any) -> None:
    with pytest.raises(ValueError, match="three"):
        run_all(work.square_unless_three, [1, 3, 2], jobs, lambda index, event: None, new_stop())


def test_a_process_that_disappears(work: Any) -> None:
    with pytest.raises(ProcessKilled, match="was killed, for memory perhaps; --resume goes on"):
        run_all(work.kill_itself, [0, 1], 2, lambda index, event: None, new_stop())


@pytest.fixture
def machine_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, float, float], None]:
    """Sets cores, free memory and that of this process, in GiB."""

    def set_to(cores: int, free: float, own: float) -> None:
        monkeypatch.setattr("stalefl.machine.processes.cores", lambda: cores)
        monkeypatch.setattr("stalefl.machine.processes.free_bytes", lambda: int(free * 2**30))
        monkeypatch.setattr("stalefl.machine.processes.own_bytes", lambda: int(own * 2**30))

    return set_to


def test_jobs_that_fit_the_cores(machine_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    machine_of(cores=8, free=100, own=1)
    with caplog.at_level(logging.INFO, "stalefl.progress"):
        assert [fitting_jobs("cpu", threads, 50) for threads in (1, 3, 8, 16)] == [8, 2, 1, 1]
        assert fitting_jobs("cpu", 1, 3) == 3
    assert not caplog.text


@pytest.mark.parametrize(
    ("free", "own", "jobs"),
    [(5.9, 0.2, 5), (5.9, 2.0, 2), (0.1, 0.2, 1)],
    ids=["at least a GiB each", "as much as this process", "one at least"],
)
def test_jobs_that_fit_the_memory(
    free: float, own: float, jobs: int, machine_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    machine_of(cores=64, free=free, own=own)
    with caplog.at_level(logging.INFO, "stalefl.progress"):
        assert fitting_jobs("cpu", 1, 50) == jobs
    assert f"memory is free for {jobs} of 50 runs at a time" in caplog.text


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_tasks_log_is_logged_here_at_the_levels_that_hold_here(
    jobs: int, work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "stalefl"), caplog.at_level(logging.INFO, "stalefl.progress"):
        run_all(work.log, [7, 7], jobs, lambda index, event: None, new_stop())
    assert sorted(record.getMessage() for record in caplog.records) == [
        *["half of it is done"] * 2,
        *["task 7 is late"] * 2,
    ]
