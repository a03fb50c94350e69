"""The head of the page: what the runs are of, how many there are, and what a reader must know of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stalefl.records.run_groups import RunGroups
from stalefl.report.page.run_settings import distinct_values

MOST_NAMED_RUNS = 3


def heading_section(runs: RunGroups) -> dict[str, Any]:
    """Title, subtitle and cautions."""
    model, dataset = (distinct_values(run.settings[key] for run in runs.runs) for key in ("model.name", "data.dataset"))
    return {"title": f"{model} on {dataset}", "subtitle": _subtitle(runs), "cautions": list(_cautions(runs))}


def _subtitle(runs: RunGroups) -> str:
    seeds = sorted({run.experiment.run.seed for run in runs.runs})
    methods = list(dict.fromkeys(method for group in runs.groups for method in group.methods))
    counted = [(len(runs.runs), "run"), (len(runs.groups), "setting"), (len(methods), "method"), (len(seeds), "seed")]
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counted)


def _cautions(runs: RunGroups) -> Iterator[str]:
    """What tables and curves leave out, or do not compare."""
    unfinished = [run for run in runs.runs if run.result is None]
    for run in unfinished[:MOST_NAMED_RUNS]:
        done = f"{len(run.records)} of {run.experiment.run.rounds} rounds"
        yield f"{run.folder.path} has not finished ({done}); it is in the curves, not in the table."
    if further := len(unfinished[MOST_NAMED_RUNS:]):
        yield f"Nor {'has' if further == 1 else 'have'} {further} more."
    if runs.unbegun:
        yield f"{runs.unbegun} further runs of the sweep have not begun: settings and seeds are missing."
    if runs.repeated:
        yield f"{runs.repeated} runs are the same as others (settings, method and seed) and were left out."
    devices = list(dict.fromkeys(str(run.environment["device"]) for run in runs.runs if "device" in run.environment))
    if len(devices) > 1:
        yield f"The runs were made on several devices ({', '.join(devices)}): their seconds cannot be compared."
