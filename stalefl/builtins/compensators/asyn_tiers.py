"""asyn-tiers: clients in tiers of similar staleness; FedAvg inside a tier, tiers averaged by how rarely they report.

Paper: Chai et al., "FedAT: A High-Performance and Communication-Efficient Federated Learning System with Asynchronous
Tiers", SC 2021, with two tiers and weights also by clients, as in Wang and Gao, AAAI 2025. With T_m the updates that
tier m (1 = fastest) has delivered so far, of M tiers, tier m weighs T_{M+1-m} / sum T: rare tiers weigh more.

Deviations: FedAT averages tier MODELS kept from each tier's last report; Wang and Gao average the tiers' UPDATES of a
round. The latter is the default, ``average = "models"`` the former. Tiers are told apart by the staleness of the
update (``boundaries_rounds``), not by profiling. In the first rounds a tier without a report has no weight.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator
from torch import Tensor

from stalefl.contracts import Compensator, Contribution, Options, ServerView, State


class AsynTiersOptions(Options):
    boundaries_rounds: tuple[int, ...] = Field(
        (0,), description="the greatest staleness of each tier but the slowest; (0,) gives two: on time and late"
    )
    average: Literal["updates", "models"] = Field("updates", description="what is averaged across tiers")

    @field_validator("boundaries_rounds")
    @classmethod
    def _ascending(cls, boundaries: tuple[int, ...]) -> tuple[int, ...]:
        if list(boundaries) != sorted(set(boundaries)) or (boundaries and boundaries[0] < 0):
            raise ValueError("must ascend from 0 or more, as [0, 10]")
        return boundaries


class AsynTiers(Compensator):
    summary = "synchronous tiers by staleness, averaged with weights that favour the slower"
    paper = "Chai et al., SC 2021"
    Options = AsynTiersOptions
    options: AsynTiersOptions

    def init(self, view: ServerView) -> State:
        tiers = len(self.options.boundaries_rounds) + 1
        return {"reports": [0] * tiers, "models": {}, "samples": [0.0] * tiers}

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        tiers: dict[int, list[Contribution]] = {}
        for c in contributions:
            tiers.setdefault(bisect_left(self.options.boundaries_rounds, c.update.staleness_rounds), []).append(c)
        reports, models, samples = list(state["reports"]), dict(state["models"]), list(state["samples"])
        moves = {}
        for m, members in sorted(tiers.items()):
            reports[m] += 1
            samples[m] = sum(c.weight for c in members)
            moves[m] = sum((c.weight / samples[m]) * c.delta for c in members)
            models[m] = sum((c.weight / samples[m]) * (c.update.base_weights + c.delta) for c in members)
        state = {"reports": reports, "models": models, "samples": samples}
        if self.options.average == "models":
            shares = _tier_shares(reports, samples, sorted(models))
            return sum(shares[m] * models[m] for m in shares), state
        shares = _tier_shares(reports, samples, sorted(moves))
        return view.weights + sum(shares[m] * moves[m] for m in shares), {**state, "models": {}}


def _tier_shares(reports: Sequence[int], samples: Sequence[float], tiers: Sequence[int]) -> dict[int, float]:
    """The normalised weight of each of ``tiers``: T_{M+1-m} times the samples behind its last report.

    A tier whose counterpart has not reported yet would weigh nothing; every count is therefore at least 1.
    """
    last = len(reports) - 1
    raw = {m: max(1, reports[last - m]) * samples[m] for m in tiers}
    total = sum(raw.values())
    return {m: value / total for m, value in raw.items()}
