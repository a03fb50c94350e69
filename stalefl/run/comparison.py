"""Several runs of one experiment, side by side in processes of their own: methods and seeds on identical partitions,
delays and initial weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stalefl.config.checks import doubts
from stalefl.config.loading import experiment_to_toml, load_experiment, method_names, single_run
from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, InputError
from stalefl.machine.processes import Stop, fitting_jobs, run_all
from stalefl.records.comparison_folder import ComparisonFolder
from stalefl.records.run_folder import RunFolder
from stalefl.run.parts import load_methods, make_observers
from stalefl.run.setup import build_run
from stalefl.run.tasks import Task, run_task

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
    if lost := sorted(set(folder.read_index()["seeds"]) - set(_seeds(experiment))):
        raise InputError(
            f"--seeds {experiment.run.seeds}: {place} already holds seed {lost[0]}; valid: as many or more"
        )
    check(singles, context)
    folder.write_index(method_names(experiment.method), _seeds(experiment))
    folder.write_config(experiment_to_toml(experiment))
    return _tasks_below(folder, singles, context)


def _seeds(experiment: Experiment) -> list[int]:
    return list(range(experiment.run.seed, experiment.run.seed + experiment.run.seeds))


def _tasks_below(folder: ComparisonFolder, singles: Sequence[Experiment], context: DataContext) -> list[Task]:
    return [
        Task(single, folder.run_path(str(single.method.name), single.run.seed), context, resume=True)
        for single in singles
    ]


def run_tasks(tasks: Sequence[Task], jobs: int, on_round: OnRound, stop: Stop) -> list[dict[str, Any] | None]:
    """Results in the order of ``tasks``, None for runs that were stopped. ``jobs`` 0 fills the machine."""
    run = tasks[0].experiment.run
    return run_all(run_task, tasks, jobs or fitting_jobs(run.device, run.threads, len(tasks)), on_round, stop)
