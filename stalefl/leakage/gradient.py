"""The gradient behind an update, and that of data which might explain it: what gradient-matching attacks compare.

Of a client that makes several local steps, or uses momentum, the observed gradient is -delta / reach: a mean along its
way, which no data give exactly. Adam's updates are no gradients: those of few steps are nearly the gradient's signs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from stalefl.contracts import Exposure, InputSpec, Model
from stalefl.training.dropout import dropout_draws_from
from stalefl.training.value_range import UnitRange

Entries = Literal["sent", "all"]
"""Which entries are compared: those that were sent, or all, where what was not sent counts as 0."""

SOFT_SIGN = 0.5
"""The size of an entry, in mean absolute entries, that counts 0.7 where a large one counts 1."""
HALF_ULP = 2.0**-24
"""Relative rounding error of a float32."""


@dataclass(frozen=True)
class SentGradient:
    """The observed gradient ``target`` [E] on the entries ``kept`` [E] of all P (None: all), and what gives another.

    In float64 where the device has it: a search that ends a thousandth of a thousandth from the target cannot be done
    in float32.
    """

    model: Model
    parameters: Sequence[Tensor]
    buffers: Mapping[str, Tensor]
    target: Tensor
    kept: Tensor | None
    rounding_floor: float
    """The expected ``distance`` of the true data."""
    signs: bool = False
    """Whether the target is nearly the gradient's signs, as Adam's updates are."""

    @classmethod
    def of(cls, exposure: Exposure, entries: Entries = "sent") -> SentGradient:
        """Weight decay, whose part in the first step is known, is taken off."""
        training, dtype = exposure.training, float_type(exposure.model.device)
        delta, weights = exposure.delta.to(dtype), exposure.base_weights.to(dtype)
        target = delta / -training.reach(training.steps(exposure.samples)) - training.weight_decay * weights
        kept = None
        if exposure.sent is not None:
            target = target * exposure.sent
            kept = exposure.sent.nonzero().flatten() if entries == "sent" else None
        return cls(
            exposure.model,
            [part.detach().requires_grad_() for part in exposure.model.layout.split(weights)],
            {name: b.to(dtype) if b.is_floating_point() else b for name, b in exposure.buffers.items()},
            target if kept is None else target[kept],
            kept,
            rounding_floor(weights, delta),
            training.optimizer == "adam",
        )

    def of_data(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The loss's gradient [E] at the base weights on inputs [M, *shape] and labels [M, K]; differentiable."""
        buffers = {name: b.clone() for name, b in self.buffers.items()}
        with dropout_draws_from(None):
            loss = cross_entropy(self.model.logits(self.parameters, buffers, inputs, train=True), labels)
        gradient = self.model.layout.join(torch.autograd.grad(loss, self.parameters, create_graph=True))
        return gradient if self.kept is None else gradient[self.kept]

    def distance(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The squared L2 distance from the target as a share of the target's square (of 1, if it is zero)."""
        return (self.of_data(inputs, labels) - self.target).square().sum() / or_one(self.target.square().sum())

    def cosine_distance(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """1 - cos, for which the length of the update is nothing; 1 for a target of zero. With ``signs`` entries are
        compared as nearly their signs: small ones a little less than large ones, or there would be no slope."""
        gradient = self.of_data(inputs, labels)
        if self.signs:
            softness = SOFT_SIGN * gradient.detach().abs().mean() + 1e-30
            gradient = gradient / (gradient.square() + softness**2).sqrt()
        return 1 - cosine_similarity(gradient, self.target, dim=0, eps=1e-30)


def float_type(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def unlike_gradient(exposure: Exposure) -> str:
    """Why the lengths in an update are not those of a gradient; empty where they are."""
    if exposure.training.optimizer == "adam":
        return "clients run Adam, whose updates are no gradients; inverting-gradients compares their signs"
    return ""


def unit_range(exposure: Exposure) -> UnitRange:
    """The scale on which inputs are searched for, in float64 where the device has it."""
    device = exposure.model.device
    return UnitRange.of(exposure.input_spec, device, float_type(device))


def start_inputs(exposure: Exposure, noise: float) -> Tensor:
    """Where a search begins, on the unit scale [samples, *shape]: model inputs drawn around 0, where normalised data
    have their mean, with the deviation ``noise``."""
    drawn = noise * torch.randn(exposure.samples, *exposure.input_spec.shape, generator=exposure.generator)
    return unit_range(exposure).to_unit(drawn.to(exposure.model.device))


def has_neighbours(spec: InputSpec) -> bool:
    """Whether values beside each other are alike, as those of pictures and signals are; those of a word's vector are
    in no order."""
    return spec.space != "embedding"


def total_variation(inputs: Tensor, smoothing: float = 1e-6) -> Tensor:
    """The mean absolute difference of neighbours in inputs [M, C, ...], summed over the directions after C.

    |d| is sqrt(d^2 + smoothing), differentiable at 0. Inputs [M, F] have no neighbours: 0.
    """
    directions = [d for d in range(2, inputs.dim()) if inputs.shape[d] > 1]
    parts = [(inputs.diff(dim=d).square() + smoothing).sqrt().mean() for d in directions]
    return torch.stack(parts).sum() if parts else inputs.new_zeros(())


def rounding_floor(weights: Tensor, delta: Tensor) -> float:
    """The squared rounding error to be expected in a difference of float32 weights near ``weights`` [P], as a share of
    the square of that difference, ``delta`` [P]."""
    return float(HALF_ULP**2 / 3 * weights.square().sum() / or_one(delta.square().sum()))


def or_one(scale: Tensor) -> Tensor:
    """The scale to divide by; 1 where it is 0."""
    return torch.where(scale > 0, scale, 1.0)
