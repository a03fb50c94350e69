"""Is a difference between two methods more than seeds may differ by? Paired over the seeds that both ran.

A seed fixes the partition, the late clients, the delays and the initial weights, so two methods are compared seed by
seed: the mean of the differences, its 95 % interval and p-value by Student's t (a paired t-test, two-sided). Several
methods are compared with the same baseline; their p-values are adjusted by Holm, "A simple sequentially rejective
multiple test procedure", Scandinavian Journal of Statistics 1979.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

LEVEL = 0.05
FEWEST_SEEDS = 3
BETTER, WORSE, PERHAPS_BETTER, PERHAPS_WORSE = "better", "worse", "perhaps better", "perhaps worse"
NOT_TOLD_APART, TOO_FEW_SEEDS, NONE_SHARED = "not told apart", "too few seeds", "no shared seeds"
LEAST_STANDARD_ERROR = 1e-12
"""Less is rounding: the differences of all seeds are equal."""


@dataclass(frozen=True)
class Difference:
    """The first method's metric minus the second's, over the seeds of both.

    ``interval`` (95 %) and ``p_value`` are None with fewer than 3 seeds.
    """

    mean: float
    seeds: int
    interval: tuple[float, float] | None = None
    p_value: float | None = None


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    """From each method's metric by seed; None where they share no seed."""
    pairs = [(first[seed], second[seed]) for seed in first if seed in second]
    if not pairs:
        return None
    differences = [a - b for a, b in pairs]
    mean, seeds = statistics.fmean(differences), len(pairs)
    if seeds < FEWEST_SEEDS:
        return Difference(mean, seeds)
    if stats.sem(differences) <= LEAST_STANDARD_ERROR:
        return Difference(mean, seeds, (mean, mean), 0.0 if abs(mean) > LEAST_STANDARD_ERROR else 1.0)
    test = stats.ttest_rel(*zip(*pairs, strict=True))
    low, high = test.confidence_interval(1 - LEVEL)
    return Difference(mean, seeds, (float(low), float(high)), float(test.pvalue))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values: below 0.05 only where the chance of any false one among all is below 0.05."""
    adjusted, least = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = least
    return adjusted


def verdict(difference: Difference | None, adjusted_p: float | None) -> str:
    """In a word or two. ``perhaps``: by itself told apart, but not once all comparisons are counted."""
    if difference is None:
        return NONE_SHARED
    if difference.p_value is None or adjusted_p is None:
        return TOO_FEW_SEEDS
    if difference.p_value >= LEVEL:
        return NOT_TOLD_APART
    if adjusted_p >= LEVEL:
        return PERHAPS_BETTER if difference.mean > 0 else PERHAPS_WORSE
    return BETTER if difference.mean > 0 else WORSE
