"""Local training as one pure function: the client runs it without a graph, the inversion differentiates through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.training.dropout import dropout_draws_from
from stalefl.training.model import FlatModel

BatchPlan = Sequence["Tensor | None"]
"""One entry per step: the indices [b] of the samples in its batch, or None for all of them."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits [n, K] and targets ([n] classes or [n, K] probabilities) to a scalar."""


@dataclass(frozen=True)
class LocalTraining:
    """The program every client runs: SGD as torch.optim.SGD, on cross-entropy. ``batch_size`` 0 is the full batch."""

    local_epochs: int = 5
    batch_size: int = 0
    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    def steps(self, samples: int) -> int:
        """SGD steps that a client with so many samples makes in one round."""
        batches = 1 if self.batch_size == 0 else -(-samples // self.batch_size)
        return self.local_epochs * batches

    def reach(self, steps: int) -> float:
        """How far so many steps carry the weights along a gradient of one that stays the same."""
        ahead = int(self.nesterov)
        carried = (1 - self.momentum ** (step + ahead) for step in range(1, steps + 1))
        return self.lr * sum(carried) / (1 - self.momentum)

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
    differentiable with respect to inputs and targets, through every step. Equals torch.optim.SGD step for step.
    """
    inputs, targets = model.inputs(inputs), targets.to(model.device)
    start = [p.detach().requires_grad_() for p in model.parameters(weights)]
    buffers = {name: b.clone() for name, b in buffers.items()}
    parameters, velocity = start, None
    with dropout_draws_from(generator):
        for batch in plan if plan is not None else training.plan(len(inputs), generator):
            x, y = (inputs, targets) if batch is None else (inputs[batch], targets[batch])
            value = loss(model.logits(parameters, buffers, x, train=True), y)
            gradients = torch.autograd.grad(value, parameters, create_graph=create_graph)
            with torch.set_grad_enabled(create_graph):
                parameters, velocity = _sgd_step(parameters, gradients, velocity, training)
            if not create_graph:
                parameters = [p.requires_grad_() for p in parameters]
    with torch.set_grad_enabled(create_graph):
        delta = model.layout.join([after - before for after, before in zip(parameters, start, strict=True)])
    return LocalResult(delta, buffers)


def _sgd_step(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    velocity: Sequence[Tensor] | None,
    training: LocalTraining,
) -> tuple[list[Tensor], Sequence[Tensor] | None]:
    """One step of torch.optim.SGD (dampening 0), out of place."""
    direction = gradients
    if training.weight_decay:
        direction = [g.add(p, alpha=training.weight_decay) for g, p in zip(direction, parameters, strict=True)]
    if training.momentum:
        decayed = direction
        if velocity is None:
            velocity = decayed
        else:
            velocity = [v.mul(training.momentum).add(g) for v, g in zip(velocity, decayed, strict=True)]
        direction = velocity
        if training.nesterov:
            direction = [g.add(v, alpha=training.momentum) for g, v in zip(decayed, velocity, strict=True)]
    return [p.add(d, alpha=-training.lr) for p, d in zip(parameters, direction, strict=True)], velocity
