"""Gradient inversion through local training: find the small data set D_rec whose training reproduces an update.

Paper: Wang and Gao, "Tackling Intertwined Data and Device Heterogeneities in Federated Learning with Unlimited
Staleness", AAAI 2025, Eq. (6). Disparity is the relative squared L2 distance; labels are soft (a softmax over free
logits), inputs are clamped to the range that the input spec declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.training.local_update import LocalTraining, local_update
from stalefl.training.model import FlatModel


@dataclass(frozen=True)
class RecoveredData:
    """D_rec: ``inputs`` [M, *shape] within the value range, ``label_logits`` [M, K] (labels are their softmax)."""

    inputs: Tensor
    label_logits: Tensor

    @property
    def labels(self) -> Tensor:
        """Soft labels [M, K]."""
        return self.label_logits.softmax(dim=1)


@dataclass(frozen=True)
class Program:
    """The client's local program as the server replays it on D_rec: as many SGD steps as the client makes, each on all
    of D_rec, which stands for the client's data as a whole."""

    model: FlatModel
    training: LocalTraining
    buffers: Mapping[str, Tensor]
    steps: int

    @classmethod
    def of_client(
        cls, model: FlatModel, training: LocalTraining, buffers: Mapping[str, Tensor], samples: int
    ) -> Program:
        return cls(model, training, buffers, training.steps(samples))

    def run(self, weights: Tensor, inputs: Tensor, labels: Tensor, create_graph: bool = False) -> Tensor:
        """LocalUpdate(weights; inputs, labels) as a delta [P]."""
        return local_update(
            self.model,
            weights,
            self.buffers,
            inputs,
            labels,
            self.training,
            plan=[None] * self.steps,
            create_graph=create_graph,
        ).delta

    def train_on(self, data: RecoveredData, weights: Tensor) -> Tensor:
        """The delta [P] that training from ``weights`` on D_rec gives: the estimate of the unstale update."""
        return self.run(weights, data.inputs, data.labels)


@dataclass(frozen=True)
class Fit:
    """What the optimisation found. ``losses`` has one value per iteration, before that iteration's step."""

    data: RecoveredData
    losses: tuple[float, ...]

    @property
    def iterations(self) -> int:
        return len(self.losses)


def random_data(spec: InputSpec, size: int, generator: torch.Generator, device: torch.device) -> RecoveredData:
    """A start for D_rec: inputs uniform over the value range, labels undecided up to a little noise."""
    low, high = _bounds(spec, torch.device("cpu"))
    inputs = low + (high - low) * torch.rand(size, *spec.shape, generator=generator)
    logits = 0.1 * torch.randn(size, spec.classes, generator=generator)
    return RecoveredData(inputs.to(device), logits.to(device))


def fit_data(
    program: Program,
    base_weights: Tensor,
    delta: Tensor,
    spec: InputSpec,
    start: RecoveredData,
    *,
    iterations: int,
    learning_rate: float,
) -> Fit:
    """Minimise |LocalUpdate(base_weights; D_rec) - delta|^2 / |delta|^2 over D_rec by Adam, from ``start``.

    ``base_weights`` and ``delta`` are [P]. An update of zero has nothing to recover: the start is returned as it is.
    """
    scale = delta.square().sum()
    if scale == 0:
        return Fit(start, ())
    low, high = _bounds(spec, delta.device)
    inputs, logits = start.inputs, start.label_logits
    input_moments, logit_moments = Moments.zero(inputs), Moments.zero(logits)
    losses = []
    for iteration in range(1, iterations + 1):
        inputs, logits = inputs.detach().requires_grad_(), logits.detach().requires_grad_()
        fitted = program.run(base_weights, inputs, logits.softmax(dim=1), create_graph=True)
        loss = (fitted - delta).square().sum() / scale
        input_gradient, logit_gradient = torch.autograd.grad(loss, (inputs, logits))
        with torch.no_grad():
            step, input_moments = input_moments.step(input_gradient, iteration)
            inputs = (inputs - learning_rate * step).clamp(low, high)
            step, logit_moments = logit_moments.step(logit_gradient, iteration)
            logits = logits - learning_rate * step
        losses.append(loss.detach())
    return Fit(RecoveredData(inputs, logits), tuple(torch.stack(losses).tolist()) if losses else ())


class Moments(NamedTuple):
    """Adam's state (Kingma and Ba, ICLR 2015, with its default constants) for one tensor.

    Not torch.optim.Adam: making its first optimiser imports torch's compiler, seconds that would count as server time.
    """

    first: Tensor
    second: Tensor

    @classmethod
    def zero(cls, of: Tensor) -> Moments:
        return cls(torch.zeros_like(of), torch.zeros_like(of))

    def step(self, gradient: Tensor, iteration: int) -> tuple[Tensor, Moments]:
        """The step to subtract, in units of the learning rate, and the moments after it. Iterations count from 1."""
        first = 0.9 * self.first + 0.1 * gradient
        second = 0.999 * self.second + 0.001 * gradient.square()
        root = (second / (1 - 0.999**iteration)).sqrt()
        return first / (1 - 0.9**iteration) / (root + 1e-8), Moments(first, second)


def _bounds(spec: InputSpec, device: torch.device) -> tuple[Tensor, Tensor]:
    """The value range, shaped to broadcast against inputs [M, channels, ...]."""
    view = (-1, *[1] * (len(spec.shape) - 1))
    low, high = (torch.tensor(bound, dtype=torch.float32, device=device).view(view) for bound in spec.value_range)
    return low, high
