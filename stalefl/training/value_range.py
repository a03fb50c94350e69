"""The range of a data set's values, as inputs are compared with it, and the scale on which it goes from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stalefl.contracts import InputSpec


def bounds(
    spec: InputSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """The least and the greatest value, each [C, 1, ...], to broadcast against inputs [M, *shape]."""
    view = (-1, *[1] * (len(spec.shape) - 1))
    low, high = (torch.tensor(bound, dtype=dtype, device=device).view(view) for bound in spec.value_range)
    return low, high


@dataclass(frozen=True)
class UnitRange:
    """The scale on which the least value of every channel is 0 and the greatest 1: model inputs to it, and back.

    ``low`` and ``width`` are [C, 1, ...], in the units of the model inputs.
    """

    low: Tensor
    width: Tensor

    @classmethod
    def of(cls, spec: InputSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> UnitRange:
        low, high = bounds(spec, device, dtype)
        return cls(low, high - low)

    def to_inputs(self, unit: Tensor) -> Tensor:
        """Model inputs [M, *shape] of values in 0..1."""
        return self.low + self.width * unit

    def unclipped(self, inputs: Tensor) -> Tensor:
        """Model inputs [M, *shape] on the scale; those outside the value range leave 0..1. A channel whose range is
        empty is only shifted."""
        return (inputs - self.low) / torch.where(self.width > 0, self.width, 1.0)

    def to_unit(self, inputs: Tensor) -> Tensor:
        """Model inputs [M, *shape] in 0..1; those outside the value range end on its border."""
        return self.unclipped(inputs).clamp(0, 1)

    def finished(self, unit: Tensor) -> Tensor:
        """Model inputs in float32, within the value range for all rounding."""
        low, high = self.low.float(), (self.low + self.width).float()
        return self.to_inputs(unit.clamp(0, 1)).float().clamp(low, high)


def to_unit(inputs: Tensor, spec: InputSpec) -> Tensor:
    """Model inputs [n, *shape] in 0..1, per channel by the spec's value range; what lies outside is clipped. A channel
    whose range is empty is 0 throughout, at its only value."""
    return UnitRange.of(spec, inputs.device).to_unit(inputs)
