"""What several runs of one experiment come to: figures over seeds, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stalefl.config.schema import Experiment
from stalefl.records.comparison_folder import ComparisonFolder
from stalefl.records.estimates import estimating
from stalefl.records.ranking import summary
from stalefl.records.run_folder import CURVES, ERRORS, RunFolder
from stalefl.report.plots.curves import draw_curves
from stalefl.report.plots.errors import draw_errors
from stalefl.run.tasks import Task


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
