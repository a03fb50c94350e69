"""Short runs of the digits that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext
from stalefl.machine.processes import new_stop
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.setup import build_run
from stalefl.run.tasks import Task, run_task, run_tasks

CONTEXT = DataContext(Path("no-data-needed"))


def run_it(experiment: Experiment, folder: RunFolder, **known: Any) -> dict[str, Any] | None:
    return execute(build_run(experiment, CONTEXT), folder, **known)


def without_seconds(folder: RunFolder) -> list[dict[str, Any]]:
    return [_without_seconds(record) for record in folder.read_rounds()]


def _without_seconds(record: dict[str, Any]) -> dict[str, Any]:
    timeless = {k: v for k, v in record.items() if k != "seconds" and not k.endswith("_seconds")}
    return {k: _without_seconds(v) if isinstance(v, dict) else v for k, v in timeless.items()}


def stop_after(round: int) -> dict[str, Any]:
    """Arguments of ``execute`` that stop it after a round."""
    done: list[int] = []
    return {"on_round": lambda record: done.append(record["round"]), "should_stop": lambda: done[-1] >= round}


def assert_same_run(one: RunFolder, other: RunFolder) -> None:
    assert without_seconds(one) == without_seconds(other)
    assert one.weights.read_bytes() == other.weights.read_bytes()


def run_all(todo: list[Task], jobs: int, stop_after: int = 10**9) -> list[tuple[int, int]]:
    """(task, round) as the runs report them; asks them to stop after so many."""
    stop, seen = new_stop(), []

    def on_record(index: int, record: dict[str, Any]) -> None:
        seen.append((index, record["round"]))
        if len(seen) >= stop_after:
            stop.set()

    results = run_tasks(run_task, todo, jobs, on_record, stop)
    if stop_after == 10**9:
        assert [(r["method"], r["seed"]) for r in results if r] == [
            (task.experiment.method.name, task.experiment.run.seed) for task in todo
        ]
    else:
        assert None in results
    return seen
