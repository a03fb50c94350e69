"""A network as methods and attacks see it: a pure function of a flat weight vector.

These are the shapes only; what stands behind them is ``stalefl.training.model.FlatModel``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Layout(Protocol):
    """Where each named parameter lies in the flat vector [P], in the module's own order."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def shapes(self) -> tuple[torch.Size, ...]: ...

    @property
    def sizes(self) -> tuple[int, ...]: ...

    @property
    def offsets(self) -> tuple[int, ...]: ...

    @property
    def size(self) -> int:
        """P, the number of parameters."""

    def split(self, flat: Tensor) -> list[Tensor]:
        """Views of ``flat`` [P] in the parameters' shapes."""

    def join(self, parameters: Sequence[Tensor]) -> Tensor:
        """The flat vector [P] of parameters given in order; differentiable."""

    def to_named(self, flat: Tensor) -> dict[str, Tensor]:
        """The parameters in ``flat`` [P] by name."""

    def from_named(self, named: Mapping[str, Tensor], source: str = "weights") -> Tensor:
        """The flat vector [P] of named parameters. Raises InputError for one that is missing or has another shape."""


class Model(Protocol):
    """``module`` gives only the computation: its own parameter values are never used or changed."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def layout(self) -> Layout: ...

    @property
    def device(self) -> torch.device: ...

    def parameters(self, weights: Tensor) -> list[Tensor]:
        """The parameters in ``weights`` [P], in the memory layout in which they train fastest."""

    def inputs(self, inputs: Tensor) -> Tensor:
        """``inputs`` [N, ...] on the model's device and in its memory layout."""

    def logits(
        self, parameters: Sequence[Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, train: bool
    ) -> Tensor:
        """Logits [N, K]. In training mode batch-norm layers change ``buffers`` in place: pass a copy."""

    def forward(self, weights: Tensor, buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Logits [N, K] in evaluation mode, without a graph."""
