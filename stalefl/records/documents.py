"""What is written of a round and of a run: the shapes of ``rounds.jsonl``, ``result.json`` and ``environment.json``."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import stalefl
from stalefl.records import metrics
from stalefl.records.estimates import mean_errors
from stalefl.records.folders import SCHEMA, ComparisonFolder, RunFolder, find_runs, plain

if TYPE_CHECKING:
    from stalefl.training.evaluation import Evaluation

__all__ = ["ComparisonFolder", "RunFolder", "environment", "find_runs", "round_record", "run_result"]
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


def run_result(
    *,
    method: str,
    dataset: str,
    model: str,
    seed: int,
    records: Sequence[Mapping[str, Any]],
    target_accuracy: float,
    first_late_round: int | None,
    wall_seconds: float,
) -> dict[str, Any]:
    """``result.json`` of a finished run, from its round records.

    ``first_late_round`` is the round in which the first late update arrives in this experiment, None if there is none.
    For a reference simulated without staleness it is the round of the other methods, so that all are averaged over the
    same rounds (``metrics.first_late_round`` finds it in a run's own records).
    """
    final = next((record for record in reversed(records) if record.get("accuracy") is not None), None)
    best = metrics.best_record(records)
    result = {
        "schema": SCHEMA,
        "method": method,
        "dataset": dataset,
        "model": model,
        "seed": seed,
        "rounds": len(records),
        "final": _figures(final),
        "best": {"round": None if best is None else best["round"], **_figures(best)},
        "rounds_to_target": {
            "target": target_accuracy,
            **{key: metrics.rounds_to_target(records, key, target_accuracy) for key in metrics.ACCURACIES},
        },
        "first_late_round": first_late_round,
        "mean_after_first_late": metrics.mean_after_first_late(records, first_late_round),
        "last_10": metrics.last_mean(records, 10),
        **{key: sum(record[key] for record in records) for key in ("stale_updates", "rejected_updates")},
        "inversion_iterations": sum(record["inversion_iterations"] for record in records),
        "server_seconds": math.fsum(record["server_seconds"] for record in records),
        "client_seconds": math.fsum(record["client_seconds"] for record in records),
        "wall_seconds": wall_seconds,
    }
    if final is not None and "drift" in final:
        result["drift"] = final["drift"]
    return plain(result | mean_errors(records, method))


def _figures(record: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: None if record is None else record[key] for key in FIGURES}


def environment(device: str, threads: int) -> dict[str, Any]:
    """``environment.json``: what the figures of a run may depend on besides its configuration."""
    import numpy
    import torch

    return {
        "stalefl": stalefl.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": threads,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
