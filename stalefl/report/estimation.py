"""How far estimates of late updates were from the truth: of runs with an oracle, their method and its shadows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stalefl.report.metrics import Record, Runs, mean_and_spread

AS_THEY_ARE = "late updates as they are"
WINDOW_ROUNDS = 20
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


@dataclass(frozen=True)
class Estimation:
    """Means over late updates of a method's estimates: relative L1 and cosine distance from the true fresh updates, and
    what an estimate cost; ``iterations`` is None where there were none, ``seconds`` where it was not timed apart."""

    label: str
    l1: float
    cosine: float
    iterations: float | None
    seconds: float | None


def estimations(records: Sequence[Record], method: str) -> list[Estimation]:
    """The late updates as they are, the run's method, and its shadows; empty for records without an oracle. A shadow
    that is called like the method is told from it."""
    measured = [record for record in records if record.get("stale_error")]
    if not measured:
        return []
    rows = [
        _mean(AS_THEY_ARE, measured, "stale_error", lambda record: record, timed=False),
        _mean(method, measured, "estimate_error", lambda record: record, timed=False),
    ]
    labels = dict.fromkeys(label for record in measured for label in record.get("shadows", ()))
    for label in labels:
        title = f"{label} (shadow)" if label == method else label
        rows.append(_mean(title, measured, "estimate_error", lambda r, s=label: r.get("shadows", {}).get(s, {})))
    return rows


def estimates_nothing(found: Sequence[Estimation]) -> bool:
    """Whether the method of ``estimations`` took late updates as they are."""
    late, own = found[:2]
    return (own.l1, own.cosine) == (late.l1, late.cosine)


def estimating(runs: Runs) -> dict[str, Sequence[Sequence[Record]]]:
    """The methods that estimate, or that have shadows which do, with their seeds that had an oracle."""
    found: dict[str, Sequence[Sequence[Record]]] = {}
    for method, seeds in runs.items():
        measured = {number: rows for number, seed in enumerate(seeds) if (rows := estimations(seed, method))}
        if any(len(rows) > 2 or not estimates_nothing(rows) for rows in measured.values()):
            found[method] = [seeds[number] for number in measured]
    return found


def mean_errors(records: Sequence[Record], method: str) -> dict[str, Any]:
    """The errors of ``estimations`` under the names that the fields of a round's record have; {} without an oracle."""
    rows = estimations(records, method)
    if not rows:
        return {}
    late, own, *shadows = rows
    errors: dict[str, Any] = {"stale_error": _error(late), "estimate_error": _error(own)}
    if shadows:
        labels = dict.fromkeys(label for record in records for label in record.get("shadows", ()))
        errors["shadows"] = {
            label: {"estimate_error": _error(row), "iterations_each": row.iterations, "seconds_each": row.seconds}
            for label, row in zip(labels, shadows, strict=True)
        }
    return errors


def _error(row: Estimation) -> dict[str, float]:
    return {"l1": row.l1, "cosine": row.cosine}


def windows(records: Sequence[Record], method: str) -> list[tuple[int, list[Estimation]]]:
    """The same for every window of 20 rounds in which late updates arrived, with the window's first round."""
    first_rounds = range(1, max((record["round"] for record in records), default=0) + 1, WINDOW_ROUNDS)
    parts = ((t, [r for r in records if t <= r["round"] < t + WINDOW_ROUNDS]) for t in first_rounds)
    return [(t, rows) for t, part in parts if (rows := estimations(part, method))]


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


def _mean(label: str, records: Iterable[Record], key: str, of: Any, timed: bool = True) -> Estimation:
    """Over late updates, each round weighing as many as it had."""
    found: list[tuple[int, Mapping[str, Any]]] = [(len(r["late_updates"]), of(r)) for r in records if of(r).get(key)]
    weights = [count for count, _ in found]

    def mean(values: Iterable[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)

    iterations = 0
    if key == "estimate_error":
        name = "iterations" if timed else "inversion_iterations"
        iterations = sum(part[name] for _, part in found)
    return Estimation(
        label,
        mean(part[key]["l1"] for _, part in found),
        mean(part[key]["cosine"] for _, part in found),
        iterations / sum(weights) if iterations else None,
        sum(part["seconds"] for _, part in found) / sum(weights) if timed else None,
    )


def _markdown(lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
