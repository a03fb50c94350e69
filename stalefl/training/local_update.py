"""Local training as one pure function: the client runs it without a graph, the inversion differentiates through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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

Batch = tuple[Tensor, Tensor]
"""Inputs [n, ...] and targets of one step."""

BatchLoss = Callable[[Sequence[Tensor], Mapping[str, Tensor], Batch], Tensor]
"""Parameters, buffers (which batch-norm layers change in place) and a batch to a scalar."""

Gradient = Callable[[BatchLoss, Sequence[Tensor], Mapping[str, Tensor], Batch], Sequence[Tensor]]
"""How the gradient of a step's loss with respect to the parameters is taken."""


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
    plan = batch_plan(training, len(inputs), generator) if plan is None else plan
    batches = ((inputs, targets) if batch is None else (inputs[batch], targets[batch]) for batch in plan)

    def gradient(
        loss: BatchLoss, parameters: Sequence[Tensor], buffers: Mapping[str, Tensor], batch: Batch
    ) -> Sequence[Tensor]:
        if not create_graph:
            parameters = [p.requires_grad_() for p in parameters]
        return torch.autograd.grad(loss(parameters, buffers, batch), parameters, create_graph=create_graph)

    with dropout_draws_from(generator):
        delta = _trained(model, start, buffers, batches, training, loss, gradient, create_graph)
    return LocalResult(delta, buffers)


def functional_update(
    model: Model,
    weights: Tensor,
    buffers: Mapping[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    training: LocalTraining,
    steps: int,
    loss: Loss = cross_entropy,
) -> Tensor:
    """The delta [P] of ``steps`` full-batch steps: ``local_update`` in torch.func's terms, without dropout.

    Differentiable, and batched, by torch.func alone: no tensor needs to ask for its gradient, so that several clients'
    training can be one computation (vmap). Under vmap ``buffers`` must be batched as well, and everything must lie on
    the model's device.
    """
    start = model.layout.split(weights)
    return _trained(model, start, buffers, [(inputs, targets)] * steps, training, loss, _by_torch_func, True)


def _by_torch_func(
    loss: BatchLoss, parameters: Sequence[Tensor], buffers: Mapping[str, Tensor], batch: Batch
) -> Sequence[Tensor]:
    def pure(parameters: Sequence[Tensor]) -> Tensor:
        # Batch-norm layers change buffers in place: a transform allows that only of tensors made within it.
        return loss(parameters, {name: b.clone() for name, b in buffers.items()}, batch)

    gradients: Sequence[Tensor] = torch.func.grad(pure)(parameters)
    return gradients


def _trained(
    model: Model,
    start: Sequence[Tensor],
    buffers: Mapping[str, Tensor],
    batches: Iterable[Batch],
    training: LocalTraining,
    loss: Loss,
    gradient: Gradient,
    keep_graph: bool,
) -> Tensor:
    """The delta [P] of one optimiser step per batch from the parameters ``start``."""

    def batch_loss(parameters: Sequence[Tensor], buffers: Mapping[str, Tensor], batch: Batch) -> Tensor:
        inputs, targets = batch
        return loss(model.logits(parameters, buffers, inputs, train=True), targets)

    optimizer, state = make_optimizer(training), OptimizerState()
    parameters = start
    for batch in batches:
        gradients = gradient(batch_loss, parameters, buffers, batch)
        with torch.set_grad_enabled(keep_graph):
            if training.proximal_mu:
                gradients = _proximal(gradients, parameters, start, training.proximal_mu)
            parameters, state = optimizer.step(parameters, gradients, state)
    with torch.set_grad_enabled(keep_graph):
        return model.layout.join([after - before for after, before in zip(parameters, start, strict=True)])


def _proximal(
    gradients: Sequence[Tensor], parameters: Sequence[Tensor], start: Sequence[Tensor], mu: float
) -> list[Tensor]:
    """The gradients plus that of FedProx's penalty mu / 2 |w - w_start|^2."""
    return [g.add(p - s, alpha=mu) for g, p, s in zip(gradients, parameters, start, strict=True)]
