"""Which method is best in a setting, which is the best baseline, and whether the others can be told apart from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stalefl.formatting import class_words
from stalefl.records.metrics import AFFECTED, OVERALL
from stalefl.records.ranking import REFERENCES, Result, ranking
from stalefl.records.run_groups import Group, RunGroups
from stalefl.report.conclusions.significance import Difference, holm, paired_difference, verdict

COMPARED_METRICS = tuple(
    (period, key) for period in ("mean_after_first_late", "last_10") for key in (AFFECTED, OVERALL)
)
PERIOD_WORDS = {
    "mean_after_first_late": "from the first late update on",
    "last_10": "over the last 10 evaluated rounds",
}
Scores = Mapping[int, float]
"""A method's metric by seed."""


@dataclass(frozen=True)
class Contest:
    """The methods of one setting, by their accuracy on the affected class from the first late update on (``metric``:
    where that was not measured in all runs, the next metric that was).

    ``ranked`` holds those that compete, best first: no reference (``unstale``). ``baseline`` is the best of those that
    invert nothing; None where there is none. ``differences`` are those of the others from it, ``verdicts`` in words,
    with all of these comparisons counted.
    """

    group: Group
    metric: str
    results: Mapping[str, Sequence[Result]]
    scores: Mapping[str, Scores]
    ranked: Sequence[str]
    baseline: str | None
    differences: Mapping[str, Difference | None]
    verdicts: Mapping[str, str]

    @property
    def best(self) -> str | None:
        return self.ranked[0] if self.ranked else None

    def mean(self, method: str) -> float | None:
        values = self.scores.get(method)
        return sum(values.values()) / len(values) if values else None


def contests(runs: RunGroups) -> list[Contest]:
    """One for each setting. A method that inverts in any of them is no baseline in any."""
    inverting = {
        method
        for group in runs.groups
        for method, results in _finished(group).items()
        if any(result["inversion_iterations"] for result in results)
    }
    return [contest(group, inverting) for group in runs.groups]


def contest(group: Group, inverting: Collection[str] = ()) -> Contest:
    results = _finished(group)
    ranked = ranking([{**run, "method": method} for method, runs in results.items() for run in runs], REFERENCES)
    metric = next(
        (m for m in COMPARED_METRICS if all(_value(r, m) is not None for x in ranked for r in results[x])), None
    )
    scores = {method: _by_seed(runs, metric) for method, runs in results.items()} if metric else {}
    if not scores:
        ranked = []
    baseline = next((method for method in ranked if method not in inverting), None)
    differences = {
        method: paired_difference(scores[method], scores[baseline])
        for method in ranked
        if baseline is not None and method != baseline
    }
    adjusted = holm({m: d.p_value for m, d in differences.items() if d is not None and d.p_value is not None})
    verdicts = {method: verdict(found, adjusted.get(method)) for method, found in differences.items()}
    words = _metric_in_words(group, metric) if metric else ""
    return Contest(group, words, results, scores, ranked, baseline, differences, verdicts)


def _finished(group: Group) -> dict[str, list[Result]]:
    found = {m: [run.result for run in seeds if run.result is not None] for m, seeds in group.methods.items()}
    return {method: results for method, results in found.items() if results}


def _value(result: Result, metric: tuple[str, str]) -> Any:
    return result[metric[0]][metric[1]]


def _by_seed(results: Sequence[Result], metric: tuple[str, str]) -> dict[int, float]:
    found = {result["seed"]: _value(result, metric) for result in results}
    return {seed: value for seed, value in found.items() if value is not None}


def _metric_in_words(group: Group, metric: tuple[str, str]) -> str:
    """As "accuracy on class 5 from the first late update on"."""
    period, key = metric
    classes = group.runs[0].experiment.staleness.affected_classes
    return f"accuracy on {class_words(classes) if key == AFFECTED else 'all classes'} {PERIOD_WORDS[period]}"
