"""How far to trust a prediction: least squares on what arrived later, shrunk towards a prior.

For each estimate the server keeps what it was made of, the features; when the true update arrives it sees which
multiples of them would have been best. Evidence is added up per client and over all clients; a client's coefficients
are shrunk towards those of all clients, and those towards the prior.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Evidence(NamedTuple):
    """Normal equations of the least squares: ``gram`` [F, F] and ``moment`` [F], as of ``round``.

    Every arrival counts alike whatever the length of its update, and older ones less: by ``memory`` per round.
    """

    gram: Tensor
    moment: Tensor
    round: int

    @classmethod
    def none(cls, features: int) -> Evidence:
        return cls(torch.zeros(features, features), torch.zeros(features), 0)

    def seen(self, features: Tensor, truth: Tensor, round: int, memory: float) -> Evidence:
        """With one more arrival: features [F, S] and the true update [S]. A true update of zero says nothing."""
        features, truth = features.cpu().double(), truth.cpu().double()
        scale = truth.square().sum()
        if scale == 0:
            return self
        aged = self.aged(round, memory)
        gram, moment = features @ features.T / scale, features @ truth / scale
        return Evidence(aged.gram + gram.float(), aged.moment + moment.float(), round)

    def aged(self, round: int, memory: float) -> Evidence:
        """As it weighs in a later round; on the CPU, where so few numbers belong, also after a checkpoint."""
        kept = memory ** (round - self.round)
        return Evidence(kept * self.gram.cpu(), kept * self.moment.cpu(), round)

    def coefficients(self, prior: Tensor, strength: Tensor) -> Tensor:
        """[F]: the least-squares multiples, shrunk towards ``prior`` [F]; ``strength`` [F] is what the prior weighs
        beside the evidence's squared lengths."""
        return torch.linalg.solve(self.gram + torch.diag(strength), self.moment + strength * prior)
