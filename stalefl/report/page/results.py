"""The table of results: a row for each method of each setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stalefl.records.run_groups import RunGroups
from stalefl.report.conclusions.cells import COMPARISON_HEADERS, comparison_cells, significance_notes
from stalefl.report.conclusions.winners import Contest
from stalefl.report.tables.settings import sheet


def results_section(runs: RunGroups, compared: Sequence[Contest]) -> dict[str, Any]:
    """The table of all settings, with the comparison beside the metric that is compared."""
    content = sheet(runs.settings())
    methods = [(contest, method) for contest in compared for method in contest.group.methods]
    first = content.keys + 1

    def row(contest: Contest, method: str, cells: Sequence[str]) -> list[str]:
        return [*cells[:first], *comparison_cells(contest, method), *cells[first:]]

    rows = [
        (method == contest.best and len(contest.ranked) > 1, row(contest, method, cells))
        for (contest, method), cells in zip(methods, content.rows, strict=True)
    ]
    return {
        "keys": content.keys,
        "headers": [*content.headers[:first], *COMPARISON_HEADERS, *content.headers[first:]],
        "rows": rows,
        "notes": [
            *content.notes,
            "bold: best of its setting on the affected class after late, references left out",
            *significance_notes(compared),
        ],
    }
