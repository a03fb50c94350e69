"""Trajectory matching: a small pseudo data set, training on which moves a model as the given trajectory moved.

Papers: Pi et al., "DynaFed: Tackling Client Data Heterogeneity with Global Dynamics", CVPR 2023, for the trajectory of
a global model; Cazenavette et al., "Dataset Distillation by Matching Training Trajectories", CVPR 2022, for the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.builtins.compensators.dynafed.augmentation import augmented
from stalefl.contracts import InputSpec, LocalTraining, Model
from stalefl.training.adam import Moments
from stalefl.training.local_update import BatchPlan, local_update

SMALLEST_STEP_SIZE = 1e-6
SMALLEST_MOVE = 1e-12


class PseudoData(NamedTuple):
    """``inputs`` [M, *shape], ``label_logits`` [M, K], and the ``step_size`` [] of the training that they are made for;
    ``inputs`` are not held to the value range."""

    inputs: Tensor
    label_logits: Tensor
    step_size: Tensor

    @property
    def labels(self) -> Tensor:
        """Labels [M, K], probabilities."""
        return self.label_logits.softmax(dim=1)

    def to_tree(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return self._asdict()


@dataclass(frozen=True)
class MatchSettings:
    """How pseudo data are learned. ``window``: a target is the mean of two or more models, but for a window of 1, of
    the ``window`` models that followed the start."""

    iterations: int = 3000
    inner_steps: int = 20
    window: int = 3
    input_lr: float = 0.05
    label_lr: float = 0.01
    step_size_lr: float = 1e-5
    augment: bool = False
    """Augment the inputs, images, anew in every inner step."""


class Match(NamedTuple):
    """``losses`` has one value per iteration, before that iteration's step; 1 is that of data that move nothing."""

    data: PseudoData
    losses: tuple[float, ...]


def random_pseudo_data(
    spec: InputSpec, size: int, step_size: float, generator: torch.Generator, device: torch.device
) -> PseudoData:
    """Where the search begins: inputs from the normal distribution, labels undecided."""
    inputs = torch.randn(size, *spec.shape, generator=generator).to(device)
    return PseudoData(inputs, torch.zeros(size, spec.classes, device=device), torch.tensor(step_size, device=device))


def match_trajectory(
    model: Model,
    buffers: Mapping[str, Tensor],
    trajectory: Sequence[Tensor],
    start: PseudoData,
    settings: MatchSettings,
    generator: torch.Generator,
    on_iteration: Callable[[int, Tensor], None] = lambda iteration, loss: None,
) -> Match:
    """Learn inputs, label logits and step size by Adam on the relative squared distance from targets.

    ``trajectory``: more than ``settings.window`` models [P], in order. Each iteration draws a segment of it and unrolls
    the training on all pseudo data. ``on_iteration`` gets the number of an iteration, from 1, and its loss [].
    """
    rates = (settings.input_lr, settings.label_lr, settings.step_size_lr)
    data, moments = start, [Moments.zero(part) for part in start]
    losses: list[Tensor] = []
    for iteration in range(1, settings.iterations + 1):
        begin, target = _segment(trajectory, settings.window, generator)
        data = PseudoData(*(part.detach().requires_grad_() for part in data))
        loss = _distance(begin + unrolled(model, buffers, begin, data, settings, generator), begin, target)
        gradients = torch.autograd.grad(loss, data)
        with torch.no_grad():
            parts = []
            for i, (part, gradient, rate) in enumerate(zip(data, gradients, rates, strict=True)):
                step, moments[i] = moments[i].step(gradient, iteration)
                parts.append(part - rate * step)
            data = PseudoData(parts[0], parts[1], parts[2].clamp(min=SMALLEST_STEP_SIZE))
        losses.append(loss.detach())
        on_iteration(iteration, losses[-1])
    data = PseudoData(*(part.detach() for part in data))
    return Match(data, tuple(torch.stack(losses).tolist()) if losses else ())


def unrolled(
    model: Model,
    buffers: Mapping[str, Tensor],
    weights: Tensor,
    data: PseudoData,
    settings: MatchSettings,
    generator: torch.Generator,
) -> Tensor:
    """The delta [P] of plain SGD on all pseudo data, differentiable with respect to inputs, label logits and step size.

    SGD's learning rate is a plain number: so it is 1, and the loss is scaled by the step size.
    """
    inputs, labels = data.inputs, data.labels
    plan: BatchPlan = [None] * settings.inner_steps
    if settings.augment:
        size, copies = len(inputs), range(settings.inner_steps)
        inputs = torch.cat([augmented(inputs, generator) for _ in copies])
        labels = labels.repeat(settings.inner_steps, 1)
        plan = [torch.arange(size * i, size * (i + 1), device=inputs.device) for i in copies]
    return local_update(
        model,
        weights,
        buffers,
        inputs,
        labels,
        LocalTraining(local_epochs=settings.inner_steps, lr=1.0),
        plan=plan,
        loss=lambda logits, targets: data.step_size * cross_entropy(logits, targets),
        create_graph=True,
    ).delta


def _segment(trajectory: Sequence[Tensor], window: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A model of the trajectory, drawn, and the mean of some of the ``window`` that follow it."""
    begin = int(torch.randint(len(trajectory) - window, (), generator=generator))
    count = int(torch.randint(min(2, window), window + 1, (), generator=generator))
    chosen = torch.randperm(window, generator=generator)[:count].tolist()
    return trajectory[begin], torch.stack([trajectory[begin + 1 + i] for i in chosen]).mean(dim=0)


def _distance(reached: Tensor, begin: Tensor, target: Tensor) -> Tensor:
    """|reached - target|^2 / |begin - target|^2."""
    moved = (begin - target).square().sum().clamp(min=SMALLEST_MOVE)
    return (reached - target).square().sum() / moved
