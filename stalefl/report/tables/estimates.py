"""How far estimates of late updates were from the truth: of runs with an oracle, their method and its shadows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from rich.table import Table

from stalefl.formatting import MISSING
from stalefl.records.estimates import WINDOW_ROUNDS, Estimation, estimates_nothing, estimations, windows
from stalefl.records.metrics import Record, Runs, mean_and_spread
from stalefl.report.tables.markdown import markdown_table
from stalefl.report.tables.terminal import close_up, terminal_table

ESTIMATION_HEADERS = ("estimate", "relative L1 error", "cosine distance", "iterations each", "seconds each")
NARROW_ESTIMATION_HEADERS = ("estimate", "relative\nL1 error", "cosine\ndistance", "iterations\neach", "seconds\neach")
DIGITS = {"l1": 3, "cosine": 3, "iterations": 1, "seconds": 2}
"""The numbers of an ``Estimation``, in the order of ``ESTIMATION_HEADERS``."""
ESTIMATION_NOTES = (
    "means over all late updates",
    "errors: against what the client would have sent on time; 1: as far off as no update at all",
)
OWN_UPDATES_NOTE = "each method that trains meets late updates of its own"
SPREAD_NOTE = "±: sample standard deviation over seeds"


def windows_table(seeds: Sequence[Sequence[Record]], method: str) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of relative L1 errors by window of 20 rounds, mean ± spread over runs of one setting: a column
    for each kind of estimate."""
    labels = [label for label, *_ in estimation_rows(seeds, method)]
    errors = pd.DataFrame(
        [(first, row.label, row.l1) for records in seeds for first, rows in windows(records, method) for row in rows],
        columns=["first_round", "label", "l1"],
    )
    texts = errors.pivot_table("l1", "first_round", "label", lambda l1: mean_and_spread(l1).text(DIGITS["l1"]))
    texts = texts.reindex(columns=labels).fillna(MISSING)
    return ["rounds", *labels], [
        [f"{first}–{first + WINDOW_ROUNDS - 1}", *cells] for first, *cells in texts.itertuples()
    ]


def estimation_rows(seeds: Sequence[Sequence[Record]], method: str) -> list[list[str]]:
    """A row of text under ``ESTIMATION_HEADERS`` for each kind of estimate: mean ± spread over runs of one method and
    setting. A method that takes late updates as they are has none."""
    runs = [rows for records in seeds if (rows := estimations(records, method))]
    if not runs:
        return []
    kinds: dict[str, list[Estimation]] = {}
    for rows in runs:
        for row in rows:
            kinds.setdefault(row.label, []).append(row)
    if all(map(estimates_nothing, runs)):
        del kinds[method]
    return [[label, *_cells(found)] for label, found in kinds.items()]


def _cells(found: Sequence[Estimation]) -> list[str]:
    return [mean_and_spread(getattr(one, name) for one in found).text(digits) for name, digits in DIGITS.items()]


def estimation_table(runs: Runs) -> Table | None:
    """For the terminal, over the seeds of each method; None for records without an oracle."""
    found = {method: rows for method, seeds in runs.items() if (rows := estimation_rows(seeds, method))}
    if not found:
        return None
    several = len(found) > 1
    notes = [*ESTIMATION_NOTES, *([OWN_UPDATES_NOTE] if several else []), *([SPREAD_NOTE] if "±" in str(found) else [])]
    title = "Estimates of late updates" if several else f"Estimates of late updates, {next(iter(found))} training"
    table = terminal_table(title, "\n".join(notes))
    for number, header in enumerate(NARROW_ESTIMATION_HEADERS):
        table.add_column(header, justify="right" if number else "left", no_wrap=not number)
    for method, rows in found.items():
        if several:
            table.add_row(f"{method} training:")
        for label, *cells in rows:
            table.add_row(f"{'  ' * several}{label}", *map(close_up, cells))
    return table


def estimation_markdown(runs: Mapping[str, tuple[str, Sequence[Sequence[Record]]]]) -> str:
    """One or several settings as Markdown: a title for each, with its method and the records of its seeds."""
    several = len(runs) > 1
    rows = [
        [*([title] if several else []), *row]
        for title, (method, seeds) in runs.items()
        for row in estimation_rows(seeds, method)
    ]
    headers = [*(["run"] if several else []), *ESTIMATION_HEADERS]
    return markdown_table(headers, rows, "l" * several + "l" + "r" * (len(ESTIMATION_HEADERS) - 1))


def windows_markdown(seeds: Sequence[Sequence[Record]], method: str) -> str:
    """``windows_table`` as Markdown."""
    headers, rows = windows_table(seeds, method)
    return markdown_table(headers, rows, "l" + "r" * (len(headers) - 1))
