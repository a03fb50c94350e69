"""The record of a round, as a line of ``rounds.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stalefl.records import metrics
from stalefl.records.json_files import plain

if TYPE_CHECKING:
    from stalefl.training.evaluation import Evaluation

FIGURES = ("accuracy", "affected_class_accuracy", "per_class_accuracy", "loss")


def round_record(
    *,
    round: int,
    participants: Sequence[int],
    staleness_rounds: Sequence[int],
    rejected_updates: int,
    server_seconds: float,
    client_seconds: float,
    affected_classes: Sequence[int],
    evaluation: Evaluation | None = None,
    inversion_iterations: int = 0,
    late_updates: Sequence[Mapping[str, Any]] = (),
    oracle: bool = False,
    estimate_error: Mapping[str, float] | None = None,
    stale_error: Mapping[str, float] | None = None,
    shadows: Mapping[str, Mapping[str, Any]] | None = None,
    drift: Mapping[str, Any] | None = None,
    rejections: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One line of ``rounds.jsonl``; null where not evaluated.

    ``staleness_rounds`` has one entry per late update, ``late_updates`` one with what the method has to say of it. With
    ``oracle`` the record also holds the errors of the estimates and of the late updates as they came, each
    ``{"l1": relative L1, "cosine": cosine distance}`` (mean over the round's late updates) or None, and each shadow
    method's error, iterations and seconds. ``drift``, where data drift, tells how far they have, ``rejections``, where
    updates were, of whom and why.
    """
    record = {
        "round": round,
        **_accuracies(evaluation, affected_classes),
        "participants": list(participants),
        "stale_updates": len(staleness_rounds),
        "staleness_rounds": list(staleness_rounds),
        "rejected_updates": rejected_updates,
        "server_seconds": server_seconds,
        "client_seconds": client_seconds,
        "inversion_iterations": inversion_iterations,
        "late_updates": list(late_updates),
    }
    if oracle:
        record |= {"estimate_error": estimate_error, "stale_error": stale_error}
    if shadows:
        record["shadows"] = shadows
    if drift:
        record["drift"] = drift
    if rejections:
        record["rejections"] = list(rejections)
    return plain(record)


def _accuracies(evaluation: Evaluation | None, affected_classes: Sequence[int]) -> dict[str, Any]:
    if evaluation is None:
        return dict.fromkeys(FIGURES)
    return {
        "accuracy": evaluation.accuracy,
        "affected_class_accuracy": metrics.affected_accuracy(evaluation.per_class_accuracy, affected_classes),
        "per_class_accuracy": evaluation.per_class_accuracy,
        "loss": evaluation.loss,
    }


def accuracies(evaluation: Evaluation | None, affected_classes: Sequence[int]) -> dict[str, float | None]:
    """The two accuracies that are followed; None where not evaluated."""
    figures = _accuracies(evaluation, affected_classes)
    return {key: figures[key] for key in metrics.ACCURACIES}
