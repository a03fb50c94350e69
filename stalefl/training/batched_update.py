"""Local training in torch.func's terms, so that several clients' training can be one batched computation (vmap)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.contracts import LocalTraining, Model
from stalefl.training.local_update import Loss, proximal
from stalefl.training.optimizers import OptimizerState, make_optimizer


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
    """The delta [P] of ``steps`` full-batch steps: ``local_update`` with that plan and without dropout.

    Differentiable, and batched, by torch.func alone: no tensor needs to ask for its gradient. Under vmap ``buffers``
    must be batched as well.
    """
    start = model.layout.split(weights)
    parameters, optimizer, state = start, make_optimizer(training), OptimizerState()

    def value(parameters: list[Tensor]) -> Tensor:
        # Batch-norm layers change buffers in place: a transform allows that only of tensors made within it.
        own_buffers = {name: b.clone() for name, b in buffers.items()}
        return loss(model.logits(parameters, own_buffers, inputs, train=True), targets)

    for _ in range(steps):
        gradients = torch.func.grad(value)(parameters)
        if training.proximal_mu:
            gradients = proximal(gradients, parameters, start, training.proximal_mu)
        parameters, state = optimizer.step(parameters, gradients, state)
    return model.layout.join([after - before for after, before in zip(parameters, start, strict=True)])
