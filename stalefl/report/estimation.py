"""How far estimates of late updates were from the truth: of runs with an oracle, their method and its shadows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stalefl.report.metrics import Record, mean_and_spread

AS_THEY_ARE = "late updates as they are"
WINDOW_ROUNDS = 20
HEADERS = ("estimate", "relative L1 error", "cosine distance", "iterations each", "seconds each")
NARROW_HEADERS = ("estimate", "relative\nL1 error", "cosine\ndistance", "iterations\neach", "seconds\neach")
DIGITS = {"l1": 3, "cosine": 3, "iterations": 1, "seconds": 2}
"""The figures of an ``Estimation``, in the order of ``HEADERS``."""
CAPTION = "means over late updates; errors against what the client would have sent on time"
SPREAD = "±: sample standard deviation over seeds"


@dataclass(frozen=True)
class Estimation:
    """Means over late updates of a method's estimates: relative L1 and cosine distance from the true fresh updates, and
    what an estimate cost; ``seconds`` is None where it was not timed apart."""

    label: str
    l1: float
    cosine: float
    iterations: float
    seconds: float | None


def estimations(records: Sequence[Record], method: str) -> list[Estimation]:
    """The late updates as they are, the run's method, and its shadows; empty for records without an oracle."""
    measured = [record for record in records if record.get("stale_error")]
    if not measured:
        return []
    rows = [
        _mean(AS_THEY_ARE, measured, "stale_error", lambda record: record, timed=False),
        _mean(method, measured, "estimate_error", lambda record: record, timed=False),
    ]
    labels = dict.fromkeys(label for record in measured for label in record.get("shadows", ()))
    rows += [_mean(label, measured, "estimate_error", lambda record, s=label: record["shadows"][s]) for label in labels]
    return rows


def mean_errors(records: Sequence[Record], method: str) -> dict[str, Any]:
    """The errors of ``estimations`` under the names that the fields of a round's record have; {} without an oracle."""
    rows = estimations(records, method)
    if not rows:
        return {}
    late, estimate, *shadows = ({"l1": row.l1, "cosine": row.cosine} for row in rows)
    errors: dict[str, Any] = {"stale_error": late, "estimate_error": estimate}
    if shadows:
        labels = (row.label for row in rows[2:])
        errors["shadows"] = {label: {"estimate_error": s} for label, s in zip(labels, shadows, strict=True)}
    return errors


def windows(records: Sequence[Record], method: str, length: int = WINDOW_ROUNDS) -> list[tuple[int, list[Estimation]]]:
    """The same for every window of ``length`` rounds in which late updates arrived, with the window's first round."""
    first_rounds = range(1, max((record["round"] for record in records), default=0) + 1, length)
    parts = ((t, [r for r in records if t <= r["round"] < t + length]) for t in first_rounds)
    return [(t, rows) for t, part in parts if (rows := estimations(part, method))]


def window_errors(
    seeds: Sequence[Sequence[Record]], method: str, length: int = WINDOW_ROUNDS
) -> dict[int, dict[str, list[float]]]:
    """Relative L1 errors by the first round of a window and kind of estimate: a value for each run that has it."""
    errors: dict[int, dict[str, list[float]]] = {}
    for records in seeds:
        for first_round, rows in windows(records, method, length):
            for row in rows:
                errors.setdefault(first_round, {}).setdefault(row.label, []).append(row.l1)
    return dict(sorted(errors.items()))


def estimation_rows(seeds: Sequence[Sequence[Record]], method: str) -> list[list[str]]:
    """A row of text under ``HEADERS`` for each kind of estimate: mean ± spread over runs of one method and setting."""
    kinds: dict[str, list[Estimation]] = {}
    for records in seeds:
        for found in estimations(records, method):
            kinds.setdefault(found.label, []).append(found)
    return [[label, *_cells(found)] for label, found in kinds.items()]


def _cells(found: Sequence[Estimation]) -> list[str]:
    return [mean_and_spread(getattr(one, name) for one in found).text(digits) for name, digits in DIGITS.items()]


def estimation_table(seeds: Sequence[Sequence[Record]], method: str) -> Table | None:
    """For the terminal, over runs of one method and setting; None for records without an oracle."""
    rows = estimation_rows(seeds, method)
    if not rows:
        return None
    caption = CAPTION if len(seeds) == 1 else f"{CAPTION}\n{SPREAD}"
    title = f"Estimates of late updates, {method} training"
    table = Table(title=title, caption=caption, caption_justify="left", box=SIMPLE_HEAD)
    table.pad_edge, table.padding = False, (0, 1, 0, 0)
    for number, header in enumerate(NARROW_HEADERS):
        table.add_column(header, justify="right" if number else "left", no_wrap=not number)
    for row in rows:
        table.add_row(*(cell.replace(" ± ", "±") for cell in row))
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
    """Relative L1 errors by window of 20 rounds, mean ± spread over runs of one setting: one column per kind of
    estimate."""
    errors = window_errors(seeds, method)
    labels = list(dict.fromkeys(label for window in errors.values() for label in window))
    lines = [["rounds", *labels], ["---", *["---:"] * len(labels)]]
    for first_round, window in errors.items():
        cells = [mean_and_spread(window.get(label, ())).text(DIGITS["l1"]) for label in labels]
        lines.append([f"{first_round}–{first_round + WINDOW_ROUNDS - 1}", *cells])
    return _markdown(lines)


def _mean(label: str, records: Iterable[Record], key: str, of: Any, timed: bool = True) -> Estimation:
    """Over late updates, each round weighing as many as it had."""
    found: list[tuple[int, Mapping[str, Any]]] = [(len(r["late_updates"]), of(r)) for r in records if of(r).get(key)]
    weights = [count for count, _ in found]

    def mean(values: Iterable[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)

    iterations = 0.0
    if key == "estimate_error":
        name = "iterations" if timed else "inversion_iterations"
        iterations = sum(part[name] for _, part in found) / sum(weights)
    return Estimation(
        label,
        mean(part[key]["l1"] for _, part in found),
        mean(part[key]["cosine"] for _, part in found),
        iterations,
        sum(part["seconds"] for _, part in found) / sum(weights) if timed else None,
    )


def _markdown(lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
