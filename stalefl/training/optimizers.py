"""The clients' optimisers as pure steps over an explicit state, with torch.optim's numbers.

Not torch.optim itself: its steps work in place, outside the graph, and it is slow to import. A further optimiser is a
class here, a case of ``make_optimizer``, and its name in ``LocalTraining`` and in ``training.optimizer`` of the schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from stalefl.contracts import LocalTraining
from stalefl.training.adam import Moments


class OptimizerState(NamedTuple):
    """What an optimiser remembers, one tensor per parameter; empty before the first step and where it is not used."""

    steps: int = 0
    first: Sequence[Tensor] = ()
    """A running average or sum of the gradients."""
    second: Sequence[Tensor] = ()
    """A running average of the squared gradients."""


class Optimizer(Protocol):
    """One step at a time; nothing is changed in place."""

    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: OptimizerState
    ) -> tuple[list[Tensor], OptimizerState]:
        """The parameters after one step, in the graph of parameters, gradients and state if gradients are recorded."""


@dataclass(frozen=True)
class Sgd:
    """torch.optim.SGD with dampening 0."""

    lr: float
    momentum: float
    weight_decay: float
    nesterov: bool

    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: OptimizerState
    ) -> tuple[list[Tensor], OptimizerState]:
        gradients = _decayed(gradients, parameters, self.weight_decay)
        velocity: Sequence[Tensor] = ()
        direction = gradients
        if self.momentum:
            velocity = direction = self._velocity(gradients, state)
        if self.momentum and self.nesterov:
            direction = [g.add(v, alpha=self.momentum) for g, v in zip(gradients, velocity, strict=True)]
        moved = [p.add(d, alpha=-self.lr) for p, d in zip(parameters, direction, strict=True)]
        return moved, OptimizerState(state.steps + 1, velocity)

    def _velocity(self, gradients: Sequence[Tensor], state: OptimizerState) -> Sequence[Tensor]:
        if not state.steps:
            return gradients
        return [v.mul(self.momentum).add(g) for v, g in zip(state.first, gradients, strict=True)]


@dataclass(frozen=True)
class Adam:
    """torch.optim.Adam (Kingma and Ba, ICLR 2015) with its default constants; weight decay is L2, not AdamW's."""

    lr: float
    weight_decay: float

    def step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], state: OptimizerState
    ) -> tuple[list[Tensor], OptimizerState]:
        beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8
        steps = state.steps + 1
        gradients = _decayed(gradients, parameters, self.weight_decay)
        if not state.steps:
            zeros = [torch.zeros_like(g) for g in gradients]
            state = OptimizerState(0, zeros, zeros)
        moments = [
            Moments(first, second).seen(g, 1 - beta_1, 1 - beta_2, fused=True)
            for first, second, g in zip(state.first, state.second, gradients, strict=True)
        ]
        size, unbias = -self.lr / (1 - beta_1**steps), (1 - beta_2**steps) ** 0.5
        moved = [
            p.addcdiv(m.first, (_root(m.second) / unbias).add(epsilon), value=size)
            for p, m in zip(parameters, moments, strict=True)
        ]
        return moved, OptimizerState(steps, [m.first for m in moments], [m.second for m in moments])


def make_optimizer(training: LocalTraining) -> Optimizer:
    match training.optimizer:
        case "sgd":
            return Sgd(training.lr, training.momentum, training.weight_decay, training.nesterov)
        case "adam":
            return Adam(training.lr, training.weight_decay)


def _decayed(gradients: Sequence[Tensor], parameters: Sequence[Tensor], weight_decay: float) -> Sequence[Tensor]:
    if not weight_decay:
        return gradients
    return [g.add(p, alpha=weight_decay) for g, p in zip(gradients, parameters, strict=True)]


def _root(second: Tensor) -> Tensor:
    """The square root, with derivative 0 instead of infinity at 0.

    There the gradients have been exactly 0 so far (dead units), and infinity times their derivative of 0 would be NaN.
    """
    zero = second == 0
    return second.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)
