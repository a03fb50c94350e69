"""Results of runs, with made-up metrics."""

from __future__ import annotations

from typing import Any


def result(
    method: str, seed: int, affected: float | None, to_target: int | None = 30, **changes: Any
) -> dict[str, Any]:
    metrics = {"affected_class_accuracy": affected, "accuracy": 0.5}
    return {
        "method": method,
        "dataset": "digits",
        "model": "cnn",
        "seed": seed,
        "final": metrics,
        "best": metrics,
        "mean_after_first_late": metrics,
        "last_10": metrics,
        "rounds_to_target": {"target": 0.8, "affected_class_accuracy": to_target, "accuracy": None},
        "stale_updates": 1,
        "rejected_updates": 0,
        "inversion_iterations": 0,
        "server_seconds": 1.5,
        "client_seconds": 2.0,
        "wall_seconds": 4.0,
    } | changes


RESULTS = [
    result("unstale", 0, 0.9),
    result("unstale", 1, 0.98),
    result("weighted", 0, 0.1, None),
    result("weighted", 1, 0.3, 20),
    result("inversion", 0, 0.8, 20),
    result("inversion", 1, 0.9, 24),
]
