"""weighted: late updates count less.

Paper: Shi et al., "HySync: Hybrid Federated Learning with Effective Synchronization", HPCC 2020, with the constants of
Wang and Gao, AAAI 2025: an update of staleness tau is weighted by 1 / (1 + exp(a (tau - b))), a = 0.25, b = 10, times
its sample count; the weights of a round are normalised.

Deviations: an update without staleness keeps its full sample count, as the formula's value there (0.92) would only
rescale all of a round's fresh updates against its late ones; ``fresh_by_formula`` weights it too.
"""

from __future__ import annotations

import math

from pydantic import Field

from stalefl.contracts import ClientUpdate, Compensated, Compensator, Options, ServerView, State


class WeightedOptions(Options):
    a: float = Field(0.25, description="steepness of the decay, per round")
    b: float = Field(10.0, description="staleness in rounds at which the weight is one half")
    fresh_by_formula: bool = Field(False, description="weight updates without staleness by the formula as well")


class Weighted(Compensator):
    summary = "late updates count less: weight 1 / (1 + exp(a (staleness - b)))"
    paper = "Shi et al., HPCC 2020"
    Options = WeightedOptions
    options: WeightedOptions

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        tau = update.staleness_rounds
        factor = 1.0
        if tau > 0 or self.options.fresh_by_formula:
            factor = _logistic(-self.options.a * (tau - self.options.b))
        return Compensated(update.delta, update.samples * factor, state)


def _logistic(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
