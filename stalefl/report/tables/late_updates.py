"""What became of the late updates of each method, and what they cost the server: a table for the page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from stalefl.config.naming import value_text
from stalefl.config.schema import ShadowTable
from stalefl.formatting import MISSING, seconds_text, share_text
from stalefl.records.estimates import AS_THEY_ARE, Estimation, estimates_nothing, estimating, estimations
from stalefl.records.metrics import Record, Runs, server_cost
from stalefl.report.tables.estimates import ESTIMATION_HEADERS, estimation_rows, windows_table

LATE_HEADERS = (
    "method",
    "late updates\na run",
    "rounds late\n(mean)",
    "iterations\neach",
    "server seconds\neach",
    "server seconds\na run",
    "of the clients'\ntraining time",
    "L1 error\nas it came",
    "L1 error\nestimated",
    "cosine distance\nas it came",
    "cosine distance\nestimated",
)
LATE_NOTE = (
    "Server seconds: all of the server's work; each: divided by the late updates. Of the clients' training time: the "
    "server's seconds as a share of what all clients together train."
)
ERROR_NOTE = "Errors: relative, against what the client would have sent on time; means over late updates."


def late_table(runs: Runs) -> tuple[list[str], list[list[str]]]:
    """Headers and a row for each method; columns in which nothing is known are left out."""
    rows = [[method, *_cells(method, seeds)] for method, seeds in runs.items()]
    table = pd.DataFrame(rows, columns=LATE_HEADERS)
    table = table.loc[:, (table != MISSING).any()]
    return list(table.columns), table.to_numpy().tolist()


def _cells(method: str, seeds: Sequence[Sequence[Record]]) -> list[str]:
    records, cost = [record for seed in seeds for record in seed], server_cost(seeds)
    delays = [delay for record in records for delay in record["staleness_rounds"]]
    iterations = sum(record["inversion_iterations"] for record in records)
    return [
        f"{len(delays) / max(len(seeds), 1):.1f}".removesuffix(".0"),
        f"{statistics.fmean(delays):.1f}" if delays else MISSING,
        f"{iterations / len(delays):.1f}" if iterations and delays else MISSING,
        seconds_text(cost.each),
        seconds_text(cost.run),
        share_text(cost.of_training),
        *_errors(estimations(records, method)),
    ]


def _errors(found: Sequence[Estimation]) -> list[str]:
    if not found:
        return [MISSING] * 4
    late, own = found[:2]
    pairs = [(late.l1, own.l1), (late.cosine, own.cosine)]
    hidden = estimates_nothing(found)
    return [text for a, b in pairs for text in (f"{a:.3f}", MISSING if hidden else f"{b:.3f}")]


def shadows_table(runs: Runs) -> tuple[list[str], list[list[str]]]:
    """Of methods that estimated beside the runs' own, as shadows: headers, and rows; no rows where there were none."""
    every = ([method, *row] for method, seeds in runs.items() for row in estimation_rows(seeds, method))
    rows = [row for row in every if row[1] not in (AS_THEY_ARE, row[0])]
    return ["method", *ESTIMATION_HEADERS], rows


def shadows_in_words(shadows: Mapping[str, ShadowTable]) -> Iterator[str]:
    """What each shadow is, as "w5: inversion, warm_iterations = 5"."""
    for label, shadow in shadows.items():
        options = [f"{key} = {value_text(value)}" for key, value in shadow.options.items()]
        yield f"{label}: {', '.join([shadow.name, *options])}"


def nearest_in_words(runs: Runs) -> Iterator[str]:
    """For each method beside which others estimated: whose estimates were the nearest."""
    for method, seeds in runs.items():
        found = [rows for records in seeds if (rows := estimations(records, method))]
        if not found or len(found[0]) < 3:
            continue
        errors = pd.DataFrame([{row.label: row.l1 for row in rows} for rows in found]).dropna(axis="columns").mean()
        late = errors.pop(AS_THEY_ARE)
        if all(map(estimates_nothing, found)):
            del errors[method]
        best = errors.idxmin()
        yield (
            f"While {method} trained, late updates as they are had a mean relative L1 error of {late:.3f}; the nearest "
            f"estimates were those of {best}, with {errors[best]:.3f}."
        )


def windows_tables(runs: Runs) -> list[dict[str, Any]]:
    """Errors by window of rounds, a table for each method with estimates."""
    return [
        {"method": method, "headers": headers, "rows": rows}
        for method, seeds in estimating(runs).items()
        for headers, rows in [windows_table(seeds, method)]
    ]
