"""One run as a task of its own: done in any process, in any order."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, InputError
from stalefl.machine.processes import OnEvent, Stop, Work, fitting_jobs, run_all
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import OnRecord, ShouldStop, execute
from stalefl.run.parts import make_observers
from stalefl.run.setup import Run, build_run


@dataclass
class Task:
    """One run to be done: its experiment (one method, one seed) and the folder it writes."""

    experiment: Experiment
    path: Path
    context: DataContext
    resume: bool = False
    built: Run | None = field(default=None, compare=False, repr=False)
    """The run, where the check of the experiment has built it."""

    @property
    def label(self) -> str:
        return f"{self.experiment.method.name} seed {self.experiment.run.seed}"

    def take_run(self) -> Run:
        """The run, built if it is not yet. The task lets go of it, so that its memory is free when it has ended."""
        run, self.built = self.built, None
        return run or build_run(self.experiment, self.context)


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run: its result, or why it failed."""

    result: Mapping[str, Any] | None
    error: str = ""
    trace: str = ""
    """Where a failure that is no bad input arose."""


def run_tasks(work: Work[Task], tasks: Sequence[Task], jobs: int, on_event: OnEvent, stop: Stop) -> list[Any]:
    """What ``work`` returns for each task, in the order of ``tasks``; None for tasks that ``stop`` left undone.

    ``work`` is ``run_task`` or ``run_and_report``. ``jobs`` tasks run at a time; 0 fills the machine.
    """
    settings = tasks[0].experiment.run
    jobs = jobs or fitting_jobs(settings.device, settings.threads, len(tasks))
    if min(jobs, len(tasks)) > 1:
        # A process of its own builds its own run.
        for task in tasks:
            task.built = None
    return run_all(work, tasks, jobs, on_event, stop)


def run_task(task: Task, on_record: OnRecord, should_stop: ShouldStop) -> dict[str, Any] | None:
    """The result of the run, or None if it was stopped. Raises InputError."""
    run = task.take_run()
    known = task.resume and (task.path / "rounds.jsonl").exists()
    folder = RunFolder(task.path) if known else RunFolder.create(task.path, force=task.resume)
    with folder.locked():
        observers = make_observers(task.experiment)
        return execute(run, folder, resume=known, on_round=on_record, should_stop=should_stop, observers=observers)


def run_and_report(task: Task, on_event: Callable[[Any], None], should_stop: ShouldStop) -> None:
    """Run a task and report each record, then the outcome: a result or a failure, nothing if the run was stopped."""
    try:
        result = run_task(task, on_event, should_stop)
    except InputError as error:
        outcome = RunOutcome(None, str(error))
    except Exception as error:
        outcome = RunOutcome(None, f"{type(error).__name__}: {error}", traceback.format_exc())
    else:
        if result is None:
            return
        outcome = RunOutcome(result)
    on_event(outcome)
