"""Adam's arithmetic (Kingma and Ba, ICLR 2015): one place for clients, for searches over data and for the server.

Not torch.optim.Adam: making its first optimiser imports torch's compiler, seconds that would count as server time.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """The running means of a gradient and of its square, of one tensor's shape."""

    first: Tensor
    second: Tensor

    @classmethod
    def zero(cls, of: Tensor) -> Moments:
        return cls(torch.zeros_like(of), torch.zeros_like(of))

    def seen(self, gradient: Tensor, share_1: float = 0.1, share_2: float = 0.001, *, fused: bool = False) -> Moments:
        """The means after one more gradient, of which they take these shares: 1 - beta_1 and 1 - beta_2.

        ``fused`` rounds as torch.optim does, whose numbers the clients' steps have. Without it each product is rounded
        by itself, as in all recorded searches.
        """
        if fused:
            # In this order: it is that in which a gradient through both sums them up.
            first = self.first.lerp(gradient, share_1)
            return Moments(first, self.second.mul(1 - share_2).addcmul(gradient, gradient, value=share_2))
        first = (1 - share_1) * self.first + share_1 * gradient
        return Moments(first, (1 - share_2) * self.second + share_2 * gradient.square())

    def step(self, gradient: Tensor, iteration: int, *, signed: bool = False) -> tuple[Tensor, Moments]:
        """The step to subtract, in units of the learning rate, and the moments after it.

        Iterations count from 1. ``signed`` gives Adam only the sign of the gradient (Geiping et al., NeurIPS 2020).
        """
        after = self.seen(gradient.sign() if signed else gradient)
        root = (after.second / (1 - 0.999**iteration)).sqrt()
        return after.first / (1 - 0.9**iteration) / (root + 1e-8), after


def published_decay(iteration: int, iterations: int) -> float:
    """The factor of the learning rate in an iteration, counted from 0: a tenth after 3/8, 5/8 and 7/8 of them each.

    Source: the published codes of Geiping et al., NeurIPS 2020, and of Wang and Gao, AAAI 2025.
    """
    return 0.1 ** sum(iteration >= eighths * iterations / 8 for eighths in (3, 5, 7))
