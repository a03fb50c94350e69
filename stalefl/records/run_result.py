"""The result of a run, from its round records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stalefl.records import metrics
from stalefl.records.documents.common import SCHEMA
from stalefl.records.estimates import mean_estimate_errors
from stalefl.records.json_files import plain
from stalefl.records.round_record import FIGURES


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
    return plain(result | mean_estimate_errors(records, method))


def _figures(record: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: None if record is None else record[key] for key in FIGURES}
