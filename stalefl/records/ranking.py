"""Methods over their seeds: the metrics of a comparison, and which method is ahead.

The input are the ``result.json`` documents of the runs: one or more methods, each with one or more seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from stalefl.records.documents.common import SCHEMA
from stalefl.records.metrics import ACCURACIES, AFFECTED, OVERALL, Spread, mean_and_spread

Result = Mapping[str, Any]
REFERENCES = ("unstale",)
"""Methods that show what is possible without staleness; they do not compete."""

SECONDS = ("server_seconds", "client_seconds", "wall_seconds")


def summary(results: Sequence[Result], references: Collection[str] = REFERENCES) -> dict[str, Any]:
    """``summary.json``: the table's metrics as ``{"mean", "spread"}``, and each method's seeds."""
    methods = {method: _method_summary(runs) for method, runs in results_by_method(results).items()}
    return {"schema": SCHEMA, "best": best_method(results, references), "methods": methods}


def best_method(results: Sequence[Result], references: Collection[str] = REFERENCES) -> str | None:
    """The first of ``ranking``; None where there is nothing to compare."""
    ranked = ranking(results, references)
    return ranked[0] if len(ranked) > 1 else None


def ranking(results: Iterable[Result], references: Collection[str] = REFERENCES) -> list[str]:
    """The methods by affected-class accuracy after the first late update, best first, references left out.

    Where that was not measured the next metric decides: overall accuracy, then both over the last 10 evaluated rounds.
    """
    periods = ("mean_after_first_late", "last_10")
    scores = {
        method: [spread_of(runs, period, key).mean for period in periods for key in (AFFECTED, OVERALL)]
        for method, runs in results_by_method(results).items()
        if method not in references
    }
    ranks = {method: tuple(-1.0 if s is None else s for s in score) for method, score in scores.items()}
    return sorted(ranks, key=lambda method: ranks[method], reverse=True)


def results_by_method(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Runs by method, methods in the order in which they first occur."""
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result["method"], []).append(result)
    return grouped


def spread_of(runs: Sequence[Result], *keys: str) -> Spread:
    """Mean and spread over the runs of the metric to which ``keys`` lead."""
    values: list[Any] = list(runs)
    for key in keys:
        values = [value[key] for value in values]
    return mean_and_spread(values)


def mean_of(runs: Sequence[Result], *keys: str) -> float | None:
    """Mean of one metric over the runs; None if any run has none."""
    return spread_of(runs, *keys).mean


def _method_summary(runs: Sequence[Result]) -> dict[str, Any]:
    def metric(*keys: str) -> dict[str, float | None]:
        return spread_of(runs, *keys)._asdict()

    return {
        "seeds": [run["seed"] for run in runs],
        **{
            period: {key: metric(period, key) for key in ACCURACIES}
            for period in ("mean_after_first_late", "last_10", "final", "best")
        },
        "rounds_to_target": {
            "target": runs[0]["rounds_to_target"]["target"],
            **{
                key: {
                    **metric("rounds_to_target", key),
                    "seeds_reached": sum(run["rounds_to_target"][key] is not None for run in runs),
                }
                for key in ACCURACIES
            },
        },
        **_errors(runs),
        **{key: metric(key) for key in SECONDS},
        **{key: sum(run[key] for run in runs) for key in ("rejected_updates", "stale_updates", "inversion_iterations")},
    }


def _errors(runs: Sequence[Result]) -> dict[str, Any]:
    """Of late updates, of the method's estimates and of those of shadows that all runs had; {} without an oracle."""
    if not all("stale_error" in run for run in runs):
        return {}

    def errors(*keys: str) -> dict[str, Any]:
        return {kind: spread_of(runs, *keys, kind)._asdict() for kind in ("l1", "cosine")}

    shared = [label for label in runs[0].get("shadows", ()) if all(label in run.get("shadows", ()) for run in runs)]
    shadows = {label: {"estimate_error": errors("shadows", label, "estimate_error")} for label in shared}
    return {key: errors(key) for key in ("stale_error", "estimate_error")} | ({"shadows": shadows} if shadows else {})
