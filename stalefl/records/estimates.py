"""How far estimates of late updates were from the truth: of runs with an oracle, their method and its shadows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stalefl.records.metrics import Record, Runs

AS_THEY_ARE = "late updates as they are"
WINDOW_ROUNDS = 20


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


def mean_estimate_errors(records: Sequence[Record], method: str) -> dict[str, Any]:
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
