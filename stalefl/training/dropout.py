"""Dropout that draws from the local training's own generator instead of the global random state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

_generator: ContextVar[torch.Generator | None] = ContextVar("dropout_generator", default=None)


@contextmanager
def dropout_draws_from(generator: torch.Generator | None) -> Iterator[None]:
    """Inside, every SeededDropout in training mode draws from ``generator``; with None it passes its input on."""
    token = _generator.set(generator)
    try:
        yield
    finally:
        _generator.reset(token)


class SeededDropout(nn.Module):
    """As nn.Dropout: in training mode zeroes each value with probability ``p`` and scales the rest by 1/(1-p)."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        generator = _generator.get()
        if not self.training or self.p == 0 or generator is None:
            return x
        keep = torch.empty(x.shape).bernoulli_(1 - self.p, generator=generator).to(x.device)
        return x * keep / (1 - self.p)
