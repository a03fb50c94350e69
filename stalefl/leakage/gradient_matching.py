"""Gradient matching by L-BFGS under a prior that fades: the search behind dlg and idlg.

The squared L2 distance of gradients is ill-conditioned in the inputs: from noise, L-BFGS first finds rough images and
smooths them for thousands of iterations. A total variation that is weighed a tenth as much in every stage leads it
there along smooth images, and decides what the entries that were sent leave open. Where a stage can hardly lower the
distance any more, what is left of it is noise, and the next stage would begin to fit that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from stalefl.contracts import Exposure, InputSpec, Leak, Options
from stalefl.leakage.gradient import Entries, SentGradient, has_neighbours, start_inputs, total_variation, unit_range
from stalefl.leakage.lbfgs import minimise
from stalefl.training.value_range import UnitRange

FADING = 0.1
"""The weight of the total variation in a stage, as a share of that in the stage before."""
STILL_FALLING = 0.9
"""A stage that leaves more than this share of the distance has nothing left to find."""


class MatchingOptions(Options):
    iterations: PositiveInt = Field(2100, description="greatest number of L-BFGS iterations, over all stages")
    stages: PositiveInt = Field(7, description="stages, in each of which the total variation counts a tenth as much")
    tv: float = Field(0.1, ge=0, description="weight of the total variation in the first stage; 0: one stage without")
    history: PositiveInt = Field(50, description="steps from which L-BFGS estimates the curvature")
    start_noise: float = Field(
        0.1, ge=0, description="deviation of the first inputs around 0, where normalised data have their mean"
    )
    box: bool = Field(True, description="keep inputs within the value range during the search, not only at its end")
    entries: Entries = Field("sent", description="compare the entries that were sent, or all, with 0 for the others")

    def weights(self, spec: InputSpec) -> list[float]:
        """Of the total variation, by stage; one stage without it where there are no neighbours."""
        smooth = self.tv > 0 and has_neighbours(spec)
        return [self.tv * FADING**stage for stage in range(self.stages)] if smooth else [0.0]


def match_gradient(
    exposure: Exposure, options: MatchingOptions, labels: Tensor | None, on_progress: Callable[[float], None]
) -> Leak:
    """Find inputs whose gradient is the observed one, with ``labels`` [M, K] or with soft labels of their own."""
    return match_target(SentGradient.of(exposure, options.entries), exposure, options, labels, on_progress)


class MatchingTarget(Protocol):
    """What inputs are to explain."""

    @property
    def rounding_floor(self) -> float:
        """The distance that the true data have, as the update was rounded."""

    def distance(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """How far what inputs [M, *shape] and labels [M, K] give is from what was observed; differentiable."""


def match_target(
    target: MatchingTarget,
    exposure: Exposure,
    options: MatchingOptions,
    labels: Tensor | None,
    on_progress: Callable[[float], None],
    start: Leak | None = None,
) -> Leak:
    """Find ``exposure.samples`` inputs that explain what was observed, with ``labels`` or with soft ones of theirs.
    The search goes on from ``start``, if that is given, which must have as many samples; the stages that would rather
    smooth it than explain more are then left out."""
    search = InputSearch.of(target, exposure, labels)
    all_weights = weights = options.weights(exposure.input_spec)
    found = Found(search.start(exposure, options.start_noise, start), math.inf)
    share, iterations = -(-options.iterations // len(weights)), 0
    if start is not None:
        found = Found(found.point, search.value(found.point))
        weights = [weight for weight in weights if weight * search.roughness(found.point) <= found.distance]
    for number, weight in enumerate(weights or all_weights[-1:]):

        def tell(done: int, number: int = number) -> None:
            on_progress((number + done / share) / max(len(weights), 1))

        stage, made = search.stage(found.point, weight, share, options, tell)
        iterations += made
        if stage.distance >= found.distance * STILL_FALLING:
            break
        found = stage
        if found.distance <= target.rounding_floor:
            break
    on_progress(1.0)
    unit, soft = search.inputs_and_labels(found.point)
    return Leak(soft.float(), search.scale.finished(unit), found.distance, iterations)


class Found(NamedTuple):
    """Inputs on the unit scale and free label logits in one vector [n], and their distance from what was observed."""

    point: Tensor
    distance: float


@dataclass(frozen=True)
class InputSearch:
    """The search for inputs of ``shape`` [M, *shape] and, where ``labels`` [M, K] are None, for label logits."""

    target: MatchingTarget
    scale: UnitRange
    shape: tuple[int, ...]
    classes: int
    labels: Tensor | None

    @classmethod
    def of(cls, target: MatchingTarget, exposure: Exposure, labels: Tensor | None) -> InputSearch:
        spec, scale = exposure.input_spec, unit_range(exposure)
        labels = None if labels is None else labels.to(scale.low)
        return cls(target, scale, (exposure.samples, *spec.shape), spec.classes, labels)

    def start(self, exposure: Exposure, noise: float, leak: Leak | None) -> Tensor:
        """The point [n] at which the search begins: an earlier leak, or chance."""
        if leak is not None and leak.inputs is not None:
            unit = self.scale.to_unit(leak.inputs)
            return torch.cat([unit.flatten(), leak.labels.to(unit).clamp_min(1e-9).log().flatten()])
        inputs = start_inputs(exposure, noise).flatten()
        if self.labels is not None:
            return inputs
        logits = noise * torch.randn(exposure.samples, self.classes, generator=exposure.generator)
        return torch.cat([inputs, logits.flatten().to(inputs)])

    def inputs_and_labels(self, point: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs on the unit scale [M, *shape] and labels [M, K]."""
        inputs = math.prod(self.shape)
        unit = point[:inputs].view(self.shape)
        if self.labels is not None:
            return unit, self.labels
        return unit, point[inputs:].view(-1, self.classes).softmax(dim=1)

    def distance(self, point: Tensor) -> Tensor:
        unit, labels = self.inputs_and_labels(point)
        return self.target.distance(self.scale.to_inputs(unit), labels)

    def value(self, point: Tensor) -> float:
        """The distance; infinite where it is not a number."""
        value = self.distance(point).item()
        return math.inf if math.isnan(value) else value

    def roughness(self, point: Tensor) -> float:
        return total_variation(self.inputs_and_labels(point)[0]).item()

    def stage(
        self,
        start: Tensor,
        tv: float,
        iterations: int,
        options: MatchingOptions,
        on_iteration: Callable[[int], None],
    ) -> tuple[Found, int]:
        """One stage from a point [n], and the iterations it made."""
        last = float("inf")

        def objective(point: Tensor) -> Tensor:
            nonlocal last
            distance = self.distance(point)
            last = distance.item()
            return distance + tv * total_variation(self.inputs_and_labels(point)[0])

        inputs = math.prod(self.shape)
        box: tuple[float | None, float | None] = (0.0, 1.0) if options.box else (None, None)
        minimum = minimise(
            objective,
            start,
            [box] * inputs + [(None, None)] * (start.numel() - inputs),
            iterations=iterations,
            history=options.history,
            enough=lambda: last <= self.target.rounding_floor,
            on_iteration=on_iteration,
        )
        return Found(minimum.point, self.value(minimum.point)), minimum.iterations
