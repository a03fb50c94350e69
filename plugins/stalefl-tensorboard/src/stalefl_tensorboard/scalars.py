"""What of a round's record becomes a curve, and under which name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
FIGURES = {
    "accuracy/overall": "accuracy",
    "accuracy/affected class": "affected_class_accuracy",
    "loss/test": "loss",
    "seconds/server": "server_seconds",
    "seconds/clients": "client_seconds",
    "updates/late": "stale_updates",
    "updates/rejected": "rejected_updates",
    "inversion/iterations": "inversion_iterations",
}
"""Curves and the fields of rounds.jsonl that they show."""
ERRORS = {"estimate": "estimate_error", "late update": "stale_error"}
KNOWN_OF_LATE = ("client", "staleness_rounds", "weight", "iterations", "estimate_error", "stale_error")
"""Fields of a late update that every method has; the others are what a method says of it."""


def scalars(record: Record, class_names: Sequence[str] = ()) -> dict[str, float]:
    """The curves' values in a round, by name; what was not measured is left out. With ``class_names`` the accuracy on
    each class is among them."""
    found = {name: record.get(field) for name, field in FIGURES.items()}
    found["updates/participants"] = len(record["participants"])
    found |= dict(_errors(record)) | dict(_facts(record["late_updates"])) | dict(_drift(record.get("drift") or {}))
    if class_names and (shares := record["per_class_accuracy"]):
        found |= {f"accuracy of/{name}": share for name, share in zip(class_names, shares, strict=True)}
    return {name: float(value) for name, value in found.items() if value is not None}


def _errors(record: Record) -> Iterator[tuple[str, float | None]]:
    """Of estimates, late updates and shadow methods against the truth, where an oracle knows it."""
    errors = {what: record.get(field) for what, field in ERRORS.items()}
    errors |= {label: shadow["estimate_error"] for label, shadow in record.get("shadows", {}).items()}
    for what, error in errors.items():
        if error:
            yield f"relative L1 error/{what}", error["l1"]
            yield f"cosine distance/{what}", error["cosine"]


def _facts(late: Sequence[Record]) -> Iterator[tuple[str, float]]:
    """What the method says of its late updates, as fit_loss or gamma: means over the round's."""
    for name in sorted({name for each in late for name in each} - set(KNOWN_OF_LATE)):
        values = [each[name] for each in late if isinstance(each.get(name), int | float)]
        if values:
            yield f"method/{name}", sum(values) / len(values)


def _drift(drift: Record) -> Iterator[tuple[str, float | None]]:
    if drift:
        yield "drift/replaced share", drift["replaced_share"]
        for domain in ("before", "after"):
            yield f"drift/accuracy {domain}", drift[domain]["accuracy"]
