"""The layer through which a model sees tokens: numbers in, vectors out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    pass


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
