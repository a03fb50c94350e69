"""A model's parameters as one flat vector [P] with fixed names, shapes and offsets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stalefl.contracts import InputError


@dataclass(frozen=True)
class ParameterLayout:
    """Where each named parameter lies in the flat vector, in the module's own order."""

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    @classmethod
    def of(cls, module: nn.Module) -> ParameterLayout:
        named = dict(module.named_parameters())
        return cls(tuple(named), tuple(p.shape for p in named.values()))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def offsets(self) -> tuple[int, ...]:
        sizes = self.sizes
        return tuple(sum(sizes[:i]) for i in range(len(sizes)))

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return sum(self.sizes)

    def split(self, flat: Tensor) -> list[Tensor]:
        """Views of ``flat`` [P] in the parameters' shapes."""
        return [part.view(shape) for part, shape in zip(flat.split(self.sizes), self.shapes, strict=True)]

    def join(self, parameters: Sequence[Tensor]) -> Tensor:
        """The flat vector [P] of parameters given in order; differentiable."""
        return torch.cat([p.reshape(-1) for p in parameters])

    def to_named(self, flat: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.names, self.split(flat), strict=True))

    def from_named(self, named: Mapping[str, Tensor], source: str = "weights") -> Tensor:
        """The flat vector of named parameters; further names (buffers) are ignored.

        Raises InputError naming the first parameter that is missing or has another shape.
        """
        for name, shape in zip(self.names, self.shapes, strict=True):
            if name not in named:
                raise InputError(f"{source}: parameter '{name}' is missing; the model has {', '.join(self.names)}")
            if named[name].shape != shape:
                raise InputError(
                    f"{source}: parameter '{name}' has shape {tuple(named[name].shape)}, the model needs {tuple(shape)}"
                )
        return self.join([named[name].float() for name in self.names])
