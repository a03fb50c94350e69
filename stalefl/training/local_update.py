"""Local training as one pure function: the client runs it without a graph, the inversion differentiates through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.contracts import LocalTraining, Model
from stalefl.training.dropout import dropout_draws_from
from stalefl.training.optimizers import OptimizerState, make_optimizer

BatchPlan = Sequence["Tensor | None"]
"""One entry per step: the indices [b] of the samples in its batch, or None for all of them."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits [n, K] and targets ([n] classes or [n, K] probabilities) to a scalar."""


def batch_plan(training: LocalTraining, samples: int, generator: torch.Generator | None) -> BatchPlan:
    """The batches of one round: every epoch visits all samples once, in an order drawn from ``generator``."""
    if training.batch_size == 0 or training.batch_size >= samples:
        return [None] * training.local_epochs
    orders = (torch.randperm(samples, generator=generator) for _ in range(training.local_epochs))
    return [batch for order in orders for batch in order.split(training.batch_size)]


@dataclass(frozen=True)
class LocalResult:
    """``delta`` [P]: weights after local training minus weights before; ``buffers``: their values afterwards."""

    delta: Tensor
    buffers: dict[str, Tensor]


def local_update(
    model: Model,
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
    optimizer, state = make_optimizer(training), OptimizerState()
    parameters: Sequence[Tensor] = start
    with dropout_draws_from(generator):
        for batch in plan if plan is not None else batch_plan(training, len(inputs), generator):
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
