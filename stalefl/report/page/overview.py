"""One page for runs, comparisons or sweeps: which method, results, each setting, who holds what, settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stalefl.config.loading import flat
from stalefl.config.naming import value_text
from stalefl.config.schema import Experiment
from stalefl.records.metrics import delays_in_words
from stalefl.records.run_groups import Gathered, Group, common_of, differing
from stalefl.report.conclusions.cells import COMPARED, comparison_cells, significance_notes
from stalefl.report.conclusions.one_setting import sentences
from stalefl.report.conclusions.overall import answer
from stalefl.report.conclusions.winners import Contest, contests
from stalefl.report.page.html import write_page
from stalefl.report.page.pictures import group_figures, inversion_figures, partition_figures
from stalefl.report.page.rejections import rejections_in_words
from stalefl.report.tables.late_updates import (
    ERROR_NOTE,
    LATE_NOTE,
    late_table,
    nearest_in_words,
    shadows_in_words,
    shadows_table,
    windows_tables,
)
from stalefl.report.tables.settings import sheet

PASSING = ("started",)
"""Facts of an environment that differ between any two runs and mean nothing."""
MOST_OPEN_SETTINGS = 4
MOST_NAMED_RUNS = 3
Pairs = list[tuple[str, str]]


def write_overview(runs: Gathered, path: Path) -> None:
    """Write the page of ``runs``, which needs no other file and no network. Raises InputError if it cannot be
    written."""
    names = {key: _values(run.settings[key] for run in runs.runs) for key in ("model.name", "data.dataset")}
    compared = contests(runs)
    content = {
        "title": f"{names['model.name']} on {names['data.dataset']}",
        "subtitle": _subtitle(runs),
        "cautions": list(_cautions(runs)),
        "answer": answer(compared),
        "table": _table(runs, compared),
        "open": len(runs.groups) <= MOST_OPEN_SETTINGS,
        "groups": [_group(contest, len(runs.groups) > 1) for contest in compared],
        "rejected": any(record["rejected_updates"] for run in runs.runs for record in run.records),
        "partitions": list(partition_figures(runs)),
        "inversions": list(inversion_figures(runs.inversions)),
        "changed": _changed(runs.common),
        "differing": _several(differing([group.values for group in runs.groups])),
        "recording": _several(differing([run.recording for run in runs.runs])),
        "options": _options(runs),
        "common": _pairs(runs.common),
        "environment": _environment(runs),
        "folders": [str(run.folder.path) for run in runs.runs],
    }
    write_page(path, "report.html", content)


def _subtitle(runs: Gathered) -> str:
    seeds = sorted({run.experiment.run.seed for run in runs.runs})
    methods = list(dict.fromkeys(method for group in runs.groups for method in group.methods))
    counted = [(len(runs.runs), "run"), (len(runs.groups), "setting"), (len(methods), "method"), (len(seeds), "seed")]
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counted)


def _cautions(runs: Gathered) -> Iterator[str]:
    """What the figures leave out, or do not compare."""
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


def _table(runs: Gathered, compared: Sequence[Contest]) -> dict[str, Any]:
    content = sheet(runs.settings())
    methods = [(contest, method) for contest in compared for method in contest.group.methods]
    first = content.keys + 1  # beside the figure that is compared

    def row(contest: Contest, method: str, cells: Sequence[str]) -> list[str]:
        return [*cells[:first], *comparison_cells(contest, method), *cells[first:]]

    rows = [
        (method == contest.best and len(contest.ranked) > 1, row(contest, method, cells))
        for (contest, method), cells in zip(methods, content.rows, strict=True)
    ]
    return {
        "keys": content.keys,
        "headers": [*content.headers[:first], *COMPARED, *content.headers[first:]],
        "rows": rows,
        "notes": [
            *content.notes,
            "bold: best of its setting on the affected class after late, references left out",
            *significance_notes(compared),
        ],
    }


def _group(contest: Contest, several: bool) -> dict[str, Any]:
    group = contest.group
    records = {method: [run.records for run in seeds] for method, seeds in group.methods.items()}
    late_headers, late_rows = late_table(records)
    shadow_headers, shadow_rows = shadows_table(records)
    return {
        "label": group.label or "All methods",
        "sentences": list(sentences(contest)) if several else [],
        "figures": list(group_figures(group)),
        "delays": _delays(group),
        "late": {"headers": late_headers, "rows": late_rows},
        "late_notes": [LATE_NOTE, *([ERROR_NOTE] if any("error" in header for header in late_headers) else [])],
        "shadows": {"headers": shadow_headers, "rows": shadow_rows, "notes": list(_shadows(group))},
        "nearest": list(nearest_in_words(records)),
        "windows": windows_tables(records),
        "rejections": list(rejections_in_words(records)),
    }


def _shadows(group: Group) -> Iterator[str]:
    """What is behind each label, of every run once."""
    every = (line for run in group.runs for line in shadows_in_words(run.experiment.evaluation.shadows))
    yield from dict.fromkeys(every)


def _delays(group: Group) -> str:
    return next(filter(None, (delays_in_words(run.records) for run in group.runs)), "no late update arrived")


# --- settings -------------------------------------------------------------------------------------------------------


def _changed(common: Mapping[str, Any]) -> Pairs:
    """The settings of all runs that are not the defaults."""
    defaults = flat(Experiment().model_dump(mode="json"))
    return _pairs({key: value for key, value in common.items() if key not in defaults or value != defaults[key]})


def _pairs(settings: Mapping[str, Any]) -> Pairs:
    return [(key, value_text(value)) for key, value in settings.items()]


def _several(values: Mapping[str, Sequence[Any]]) -> Pairs:
    return [(key, _values(several)) for key, several in values.items()]


def _values(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys("–" if value is None else value_text(value) for value in values))


def _options(runs: Gathered) -> Pairs:
    """The options of each method, as far as any are set."""
    options: dict[str, str] = {}
    for group in runs.groups:
        for method, seeds in group.methods.items():
            options[method] = ", ".join(f"{key} = {value}" for key, value in _pairs(seeds[0].options))
    return [(method, text) for method, text in options.items() if text]


def _environment(runs: Gathered) -> Pairs:
    every = [{k: v for k, v in run.environment.items() if k not in PASSING} for run in runs.runs]
    started = sorted(str(run.environment["started"]) for run in runs.runs if "started" in run.environment)
    period = [("started", " to ".join(dict.fromkeys([started[0], started[-1]])))] if started else []
    return [*_pairs(common_of(every)), *_several(differing(every)), *period]
