"""One run as a task of its own: done in any process, in any order."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, InputError
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.parts import make_observers
from stalefl.run.setup import build_run


@dataclass(frozen=True)
class Task:
    """One run to be done: its experiment (one method, one seed) and the folder it writes."""

    experiment: Experiment
    path: Path
    context: DataContext
    resume: bool = False

    @property
    def label(self) -> str:
        return f"{self.experiment.method.name} seed {self.experiment.run.seed}"


def run_task(
    task: Task, on_round: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]
) -> dict[str, Any] | None:
    """The result of the run, or None if it was stopped."""
    run = build_run(task.experiment, task.context)
    known = task.resume and (task.path / "rounds.jsonl").exists()
    folder = RunFolder(task.path) if known else RunFolder.create(task.path, force=task.resume)
    with folder.locked():
        observers = make_observers(task.experiment)
        return execute(run, folder, resume=known, on_round=on_round, should_stop=should_stop, observers=observers)


@dataclass(frozen=True)
class Ended:
    """What became of a run: its result, or why it failed."""

    result: Mapping[str, Any] | None
    error: str = ""
    trace: str = ""
    """Where a failure that is no bad input arose."""


def run_and_tell(task: Task, on_event: Callable[[Any], None], should_stop: Callable[[], bool]) -> None:
    """Run a task and report its end, be it a result or a failure; nothing if it was stopped."""
    try:
        result = run_task(task, on_event, should_stop)
    except InputError as error:
        ended = Ended(None, str(error))
    except Exception as error:
        ended = Ended(None, f"{type(error).__name__}: {error}", traceback.format_exc())
    else:
        if result is None:
            return
        ended = Ended(result)
    on_event(ended)
