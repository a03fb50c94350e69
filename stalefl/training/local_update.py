"""Local training as one pure function: the client runs it without a graph, the inversion differentiates through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.training.dropout import dropout_draws_from
from stalefl.training.model import FlatModel
from stalefl.training.optimizers import Adam, Optimizer, OptimizerState, Sgd

BatchPlan = Sequence["Tensor | None"]
"""One entry per step: the indices [b] of the samples in its batch, or None for all of them."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits [n, K] and targets ([n] classes or [n, K] probabilities) to a scalar."""


@dataclass(frozen=True)
class LocalTraining:
    """The program every client runs, on cross-entropy. ``batch_size`` 0 is the full batch.

    ``optimizer`` steps as torch.optim.SGD or torch.optim.Adam do; Adam has torch's default constants and uses neither
    ``momentum`` nor ``nesterov``. ``proximal_mu`` is FedProx's mu (Li et al., MLSys 2020): the loss gets
    mu / 2 |w - w_start|^2, that is, the gradient mu (w - w_start), before the optimiser sees it.
    """

    local_epochs: int = 5
    batch_size: int = 0
    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    optimizer: Literal["sgd", "adam"] = "sgd"
    proximal_mu: float = 0.0

    def make_optimizer(self) -> Optimizer:
        match self.optimizer:
            case "sgd":
                return Sgd(self.lr, self.momentum, self.weight_decay, self.nesterov)
            case "adam":
                return Adam(self.lr, self.weight_decay)

    def steps(self, samples: int) -> int:
        """Optimiser steps that a client with so many samples makes in one round."""
        batches = 1 if self.batch_size == 0 else -(-samples // self.batch_size)
        return self.local_epochs * batches

    def reach(self, steps: int) -> float:
        """How far so many steps, from rest, carry the weights against a constant gradient, per unit of it."""
        return self.make_optimizer().reach(steps)

    def path_length(self, samples: int) -> float:
        """How far the round of a client with so many samples goes, per unit of gradient: -update / this is a gradient.

        SGD: lr * steps / (1 - momentum), what a constant gradient gives in many steps, without weight decay and
        proximal term. Adam: lr * steps, a convention. It has no such length: an update is lr-sized whatever the
        gradient, so -update / this is a mean direction with entries of about -1 to 1 and not in the gradient's scale.
        """
        return self.make_optimizer().path_length(self.steps(samples))

    def plan(self, samples: int, generator: torch.Generator | None) -> BatchPlan:
        """The batches of one round: every epoch visits all samples once, in an order drawn from ``generator``."""
        if self.batch_size == 0 or self.batch_size >= samples:
            return [None] * self.local_epochs
        orders = (torch.randperm(samples, generator=generator) for _ in range(self.local_epochs))
        return [batch for order in orders for batch in order.split(self.batch_size)]


@dataclass(frozen=True)
class LocalResult:
    """``delta`` [P]: weights after local training minus weights before; ``buffers``: their values afterwards."""

    delta: Tensor
    buffers: dict[str, Tensor]


def local_update(
    model: FlatModel,
    weights: Tensor,
    buffers: Mapping[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    training: LocalTraining,
    generator: torch.Generator | None = None,
    *,
    plan: BatchPlan | None = None,
    loss: Loss = cross_entropy,
    create_graph: bool = False,
) -> LocalResult:
    """Train from ``weights`` [P] on ``inputs`` [N, ...] and ``targets`` ([N] classes or [N, K] probabilities).

    ``generator`` orders the mini-batches and draws dropout masks; without one there is no dropout. ``plan`` replaces
    the batches that ``training`` would make, ``loss`` the clients' own. With ``create_graph`` the delta is
    differentiable with respect to inputs and targets, through every step. Equals torch.optim step for step.
    """
    inputs, targets = model.inputs(inputs), targets.to(model.device)
    start = [p.detach().requires_grad_() for p in model.parameters(weights)]
    buffers = {name: b.clone() for name, b in buffers.items()}
    optimizer, state = training.make_optimizer(), OptimizerState()
    parameters: Sequence[Tensor] = start
    with dropout_draws_from(generator):
        for batch in plan if plan is not None else training.plan(len(inputs), generator):
            x, y = (inputs, targets) if batch is None else (inputs[batch], targets[batch])
            value = loss(model.logits(parameters, buffers, x, train=True), y)
            gradients: Sequence[Tensor] = torch.autograd.grad(value, parameters, create_graph=create_graph)
            with torch.set_grad_enabled(create_graph):
                if training.proximal_mu:
                    gradients = proximal(gradients, parameters, start, training.proximal_mu)
                parameters, state = optimizer.step(parameters, gradients, state)
            if not create_graph:
                parameters = [p.requires_grad_() for p in parameters]
    with torch.set_grad_enabled(create_graph):
        delta = model.layout.join([after - before for after, before in zip(parameters, start, strict=True)])
    return LocalResult(delta, buffers)


def proximal(
    gradients: Sequence[Tensor], parameters: Sequence[Tensor], start: Sequence[Tensor], mu: float
) -> list[Tensor]:
    """The gradients plus that of FedProx's penalty mu / 2 |w - w_start|^2."""
    return [g.add(p - s, alpha=mu) for g, p, s in zip(gradients, parameters, start, strict=True)]
