"""How far estimates of late updates were from the truth: of runs with an oracle, their method and its shadows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stalefl.records.estimates import WINDOW_ROUNDS, Estimation, estimates_nothing, estimations, windows
from stalefl.records.metrics import Record, Runs, mean_and_spread

HEADERS = ("estimate", "relative L1 error", "cosine distance", "iterations each", "seconds each")
NARROW_HEADERS = ("estimate", "relative\nL1 error", "cosine\ndistance", "iterations\neach", "seconds\neach")
DIGITS = {"l1": 3, "cosine": 3, "iterations": 1, "seconds": 2}
"""The figures of an ``Estimation``, in the order of ``HEADERS``."""
CAPTION = (
    "means over all late updates",
    "errors: against what the client would have sent on time; 1: as far off as no update at all",
)
OWN_UPDATES = "each method that trains meets late updates of its own"
SPREAD = "±: sample standard deviation over seeds"


def windows_table(seeds: Sequence[Sequence[Record]], method: str) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of relative L1 errors by window of 20 rounds, mean ± spread over runs of one setting: a column
    for each kind of estimate."""
    labels = [label for label, *_ in estimation_rows(seeds, method)]
    errors: dict[int, dict[str, list[float]]] = {}
    for records in seeds:
        for first_round, rows in windows(records, method):
            for row in rows:
                errors.setdefault(first_round, {}).setdefault(row.label, []).append(row.l1)
    table = []
    for first_round, window in sorted(errors.items()):
        cells = [mean_and_spread(window.get(label, ())).text(DIGITS["l1"]) for label in labels]
        table.append([f"{first_round}–{first_round + WINDOW_ROUNDS - 1}", *cells])
    return ["rounds", *labels], table


def estimation_rows(seeds: Sequence[Sequence[Record]], method: str) -> list[list[str]]:
    """A row of text under ``HEADERS`` for each kind of estimate: mean ± spread over runs of one method and setting. A
    method that takes late updates as they are has none."""
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
    notes = [*CAPTION, *([OWN_UPDATES] if several else []), *([SPREAD] if "±" in str(found) else [])]
    title = "Estimates of late updates" if several else f"Estimates of late updates, {next(iter(found))} training"
    table = Table(title=title, caption="\n".join(notes), caption_justify="left", box=SIMPLE_HEAD)
    table.pad_edge, table.padding = False, (0, 1, 0, 0)
    for number, header in enumerate(NARROW_HEADERS):
        table.add_column(header, justify="right" if number else "left", no_wrap=not number)
    for method, rows in found.items():
        if several:
            table.add_row(f"{method} training:")
        for label, *cells in rows:
            table.add_row(f"{'  ' * several}{label}", *(cell.replace(" ± ", "±") for cell in cells))
    return table


def estimation_markdown(runs: Mapping[str, tuple[str, Sequence[Sequence[Record]]]]) -> str:
    """Of one or several settings, each a title with its method and the records of its seeds, as GitHub-flavoured
    Markdown."""
    several = len(runs) > 1
    headers = [*(["run"] if several else []), *HEADERS]
    lines = [headers, ["---", *["---"] * several, *["---:"] * (len(HEADERS) - 1)]]
    for title, (method, seeds) in runs.items():
        lines += [[*([title] if several else []), *row] for row in estimation_rows(seeds, method)]
    return _markdown(lines)


def windows_markdown(seeds: Sequence[Sequence[Record]], method: str) -> str:
    """``windows_table`` as GitHub-flavoured Markdown."""
    headers, rows = windows_table(seeds, method)
    return _markdown([headers, ["---", *["---:"] * (len(headers) - 1)], *rows])


def _markdown(lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
