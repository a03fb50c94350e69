"""Token inputs: the table through which a model sees them, and the space in which such inputs can be optimised.

A data set of texts gives token numbers (space ``tokens``). Whoever optimises inputs works on the vectors that stand for
them (space ``embedding``), which the model takes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from stalefl.contracts import Dataset, InputSpec, Split

if TYPE_CHECKING:
    from stalefl.training.model import FlatModel

PADDING = 0
"""The token that fills up short samples. Its vector is 0."""


class TokenEmbedding(nn.Module):
    """Token numbers [N, L] -> vectors [N, L, D]; vectors [N, L, D] pass as they are.

    The table [V, D] is drawn with deviation 1, so that its vectors are on the scale of normalised data. It is a buffer
    that no client changes; ``trained``, it is a parameter. Vectors that are given directly leave it alone.
    """

    table: Tensor

    def __init__(self, tokens: int, dim: int, trained: bool = False) -> None:
        super().__init__()
        table = torch.randn(tokens, dim)
        table[PADDING] = 0
        self.trained = trained
        if trained:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.dim() == 2:
            return functional.embedding(inputs.long(), self.table, padding_idx=PADDING)
        # A parameter that took no part must have a gradient all the same: 0.
        return inputs + 0 * self.table.sum() if self.trained else inputs


def table_name(module: nn.Module) -> str:
    """The name of the embedding's table among the parameters and buffers; empty for a model that takes no tokens."""
    layers = ((name, layer) for name, layer in module.named_modules() if isinstance(layer, TokenEmbedding))
    return next((f"{name}.table".lstrip(".") for name, _ in layers), "")


def token_table(model: FlatModel, weights: Tensor, buffers: Mapping[str, Tensor]) -> Tensor | None:
    """The table [V, D] of a model with ``weights`` [P]; None for a model that takes no tokens."""
    name = table_name(model.module)
    return {**model.layout.to_named(weights), **buffers}[name] if name else None


def optimised_spec(spec: InputSpec, table: Tensor | None) -> InputSpec:
    """Inputs as methods and attacks see them: of tokens their vectors [L, D] between the least and the greatest value
    in ``table`` [V, D]; all else as it is."""
    if spec.space != "tokens" or table is None:
        return spec
    length = spec.shape[0]
    least, greatest = float(table.min()), float(table.max())
    return replace(
        spec,
        shape=(length, table.shape[1]),
        value_range=((least,) * length, (greatest,) * length),
        space="embedding",
    )


def as_vectors(inputs: Tensor, table: Tensor | None) -> Tensor:
    """Inputs [N, *shape] in the space of ``optimised_spec``."""
    return inputs if table is None or inputs.dim() != 2 else table[inputs.long()]


def with_vectors(dataset: Dataset, table: Tensor | None) -> Dataset:
    """``dataset`` in the space of ``optimised_spec``: tokens replaced by their vectors."""
    if table is None or dataset.spec.space != "tokens":
        return dataset
    train, test = (
        Split(part.raw, part.targets, _Vectors(part.to_model, table.cpu())) for part in (dataset.train, dataset.test)
    )
    return Dataset(dataset.name, train, test, optimised_spec(dataset.spec, table))


@dataclass(frozen=True)
class _Vectors:
    """Raw values [n, ...] -> vectors [n, L, D]."""

    to_tokens: Callable[[Tensor], Tensor]
    table: Tensor

    def __call__(self, raw: Tensor) -> Tensor:
        return as_vectors(self.to_tokens(raw), self.table)
