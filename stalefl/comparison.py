"""Several runs of one experiment, side by side in processes of their own: methods and seeds on identical partitions,
delays and initial weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stalefl.config.checks import doubts
from stalefl.config.loading import experiment_to_toml, load_experiment, method_names, single_run
from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, InputError
from stalefl.experiment import build_run, execute, load_methods, make_observers
from stalefl.processes import Stop, fitting_jobs, run_all
from stalefl.report.error_plots import draw_errors
from stalefl.report.estimation import estimating
from stalefl.report.folders import CURVES, ERRORS, ComparisonFolder, RunFolder
from stalefl.report.plots import draw_curves
from stalefl.report.tables import summary


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


OnRound = Callable[[int, dict[str, Any]], None]
"""Called with the task's index and the record of the round it has finished."""


def single_runs(experiment: Experiment) -> list[Experiment]:
    """The runs of a comparison: every method with every seed, a seed's methods side by side."""
    first = experiment.run.seed
    return [
        single_run(experiment, name, seed)
        for seed in range(first, first + experiment.run.seeds)
        for name in method_names(experiment.method)
    ]


def check(experiments: Sequence[Experiment], context: DataContext) -> None:
    """Build one run, with its data, its observers, and every method's options, before anything is written. Raises
    InputError."""
    make_observers(experiments[0])
    run = build_run(experiments[0], context)
    for doubt in doubts(experiments[0]):
        logging.getLogger(__name__).warning("%s", doubt)
    staleness = experiments[0].staleness
    if run.first_late_round is None and staleness.schedule != "constant":
        logging.getLogger(__name__).warning(
            'staleness.schedule = "%s": no late update arrives in the %d rounds of run.rounds; here nobody is late',
            staleness.schedule,
            experiments[0].run.rounds,
        )
    for experiment in experiments[1:]:
        load_methods(experiment)


def new_tasks(experiment: Experiment, place: Path, context: DataContext, force: bool = False) -> list[Task]:
    """The runs of an experiment in a new folder, checked before it is made. Raises InputError.

    One run writes ``place`` itself; several make it a comparison folder with one folder each below.
    """
    singles = single_runs(experiment)
    check(singles, context)
    if len(singles) == 1:
        RunFolder.create(place, force).write_config(experiment_to_toml(singles[0]))
        return [Task(singles[0], place, context, resume=True)]
    folder = ComparisonFolder.create(place, method_names(experiment.method), _seeds(experiment), force)
    folder.write_config(experiment_to_toml(experiment))
    return _tasks_below(folder, singles, context)


def reopened_tasks(place: Path, changes: Mapping[str, Mapping[str, Any]], context: DataContext) -> list[Task]:
    """The runs in an existing folder, to go on where they stopped. Raises InputError.

    ``changes`` may ask for more rounds, and in a comparison for more seeds, than before.
    """
    several = ComparisonFolder.is_one(place)
    experiment = load_experiment(
        ComparisonFolder(place).config if several else RunFolder.open(place).config, (), changes
    )
    singles = single_runs(experiment)
    if not several:
        if len(singles) > 1:
            raise InputError(f"--seeds {len(singles)}: {place} holds a single run; valid with a comparison folder")
        check(singles, context)
        return [Task(singles[0], place, context, resume=True)]
    folder = ComparisonFolder(place)
    if lost := sorted(set(folder.facts()["seeds"]) - set(_seeds(experiment))):
        raise InputError(
            f"--seeds {experiment.run.seeds}: {place} already holds seed {lost[0]}; valid: as many or more"
        )
    check(singles, context)
    folder.write_facts(method_names(experiment.method), _seeds(experiment))
    folder.write_config(experiment_to_toml(experiment))
    return _tasks_below(folder, singles, context)


def _seeds(experiment: Experiment) -> list[int]:
    return list(range(experiment.run.seed, experiment.run.seed + experiment.run.seeds))


def _tasks_below(folder: ComparisonFolder, singles: Sequence[Experiment], context: DataContext) -> list[Task]:
    return [
        Task(single, folder.run_path(str(single.method.name), single.run.seed), context, resume=True)
        for single in singles
    ]


def summarise(
    tasks: Sequence[Task], results: Sequence[dict[str, Any]], place: Path
) -> tuple[dict[str, Any], list[Path]]:
    """The methods' figures over seeds (``summary.json``, where there are several runs) and the pictures: curves and,
    with an oracle, errors of estimates."""
    overview = summary(results)
    if len(tasks) > 1:
        ComparisonFolder(place).write_summary(overview)
    experiment = tasks[0].experiment
    runs, pictures = records_by_method(tasks), [place / CURVES]
    draw_curves(
        runs,
        pictures[0],
        title=f"{_data_name(experiment)}, {experiment.model.name}",
        first_late_round=results[0]["first_late_round"],
        staleness_rounds=experiment.staleness.rounds if experiment.staleness.schedule == "constant" else None,
        affected_classes=experiment.staleness.affected_classes,
    )
    if estimating(runs):
        pictures.append(place / ERRORS)
        draw_errors(runs, pictures[1])
    return overview, pictures


def records_by_method(tasks: Sequence[Task]) -> dict[str, list[list[dict[str, Any]]]]:
    """The records of each method's seeds."""
    runs: dict[str, list[list[dict[str, Any]]]] = {}
    for task in tasks:
        runs.setdefault(str(task.experiment.method.name), []).append(RunFolder(task.path).read_rounds())
    return runs


def _data_name(experiment: Experiment) -> str:
    drift = experiment.drift.dataset
    return f"{experiment.data.dataset} drifting to {drift}" if drift else experiment.data.dataset


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


def run_tasks(tasks: Sequence[Task], jobs: int, on_round: OnRound, stop: Stop) -> list[dict[str, Any] | None]:
    """Results in the order of ``tasks``, None for runs that were stopped. ``jobs`` 0 fills the machine."""
    run = tasks[0].experiment.run
    return run_all(run_task, tasks, jobs or fitting_jobs(run.device, run.threads, len(tasks)), on_round, stop)
