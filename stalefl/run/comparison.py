"""The tasks of one experiment: methods and seeds on identical partitions, delays and initial weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stalefl.config.loading import experiment_to_toml, load_experiment, method_names, single_run
from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, InputError
from stalefl.records.comparison_folder import ComparisonFolder
from stalefl.records.run_folder import RunFolder
from stalefl.run.checking import check_singles
from stalefl.run.setup import Run
from stalefl.run.tasks import Task

_log = logging.getLogger(__name__)


def single_runs(experiment: Experiment) -> list[Experiment]:
    """The runs of a comparison: every method with every seed, a seed's methods side by side."""
    return [
        single_run(experiment, name, seed)
        for seed in experiment.run.all_seeds
        for name in method_names(experiment.method)
    ]


def new_tasks(experiment: Experiment, place: Path, context: DataContext, force: bool = False) -> list[Task]:
    """The runs of an experiment in a new folder, checked before it is made. Raises InputError.

    One run writes ``place`` itself; several make it a comparison folder with one folder each below.
    """
    singles = single_runs(experiment)
    first_run = _first_run(singles, context)
    if len(singles) == 1:
        RunFolder.create(place, force).write_config(experiment_to_toml(singles[0]))
        return _tasks(singles, [place], context, first_run)
    folder = ComparisonFolder.create(place, method_names(experiment.method), experiment.run.all_seeds, force)
    folder.write_config(experiment_to_toml(experiment))
    return _tasks(singles, _paths(folder, singles), context, first_run)


def reopened_tasks(place: Path, changes: Mapping[str, Mapping[str, Any]], context: DataContext) -> list[Task]:
    """The runs in an existing folder, to go on where they stopped. Raises InputError.

    ``changes`` may ask for more rounds, and in a comparison for more seeds, than before.
    """
    if not ComparisonFolder.is_one(place):
        singles = single_runs(load_experiment(RunFolder.open(place).config, (), changes))
        if len(singles) > 1:
            raise InputError(f"--seeds {len(singles)}: {place} holds a single run; valid with a comparison folder")
        return _tasks(singles, [place], context, _first_run(singles, context))
    folder = ComparisonFolder(place)
    experiment = load_experiment(folder.config, (), changes)
    if lost := sorted(set(folder.read_index()["seeds"]) - set(experiment.run.all_seeds)):
        raise InputError(
            f"--seeds {experiment.run.seeds}: {place} already holds seed {lost[0]}; valid: as many or more"
        )
    singles = single_runs(experiment)
    first_run = _first_run(singles, context)
    folder.write_index(method_names(experiment.method), experiment.run.all_seeds)
    folder.write_config(experiment_to_toml(experiment))
    return _tasks(singles, _paths(folder, singles), context, first_run)


def _first_run(singles: Sequence[Experiment], context: DataContext) -> Run:
    """Check the runs and log what is doubtful. Raises InputError."""
    checked = check_singles(singles, context)
    for doubt in checked.doubts:
        _log.warning("%s", doubt)
    return checked.first_run


def _paths(folder: ComparisonFolder, singles: Sequence[Experiment]) -> list[Path]:
    return [folder.run_path(str(single.method.name), single.run.seed) for single in singles]


def _tasks(singles: Sequence[Experiment], paths: Sequence[Path], context: DataContext, first_run: Run) -> list[Task]:
    tasks = [Task(single, path, context, resume=True) for single, path in zip(singles, paths, strict=True)]
    tasks[0].built = first_run
    return tasks
