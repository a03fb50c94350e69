"""Records of rounds whose late updates an oracle measured, with made-up errors."""

from __future__ import annotations

from typing import Any


def error(l1: float) -> dict[str, float]:
    return {"l1": l1, "cosine": l1 / 2}


def record(round: int, late: int, stale: float, estimate: float, shadow: float | None = None) -> dict[str, Any]:
    shadows = {} if shadow is None else {"other": {"estimate_error": error(shadow), "iterations": 30, "seconds": 6.0}}
    return {
        "round": round,
        "late_updates": [{}] * late,
        "stale_error": error(stale) if late else None,
        "estimate_error": error(estimate) if late else None,
        "inversion_iterations": 10 * late,
        **({"shadows": shadows} if shadows else {}),
    }


RECORDS = [record(1, 0, 0, 0, 0.0), record(2, 1, 1.0, 0.5, 0.2), record(25, 3, 2.0, 0.9, 0.6)]
