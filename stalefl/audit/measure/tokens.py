"""Recovered embeddings as tokens: the rows of the embedding table that are nearest."""

from __future__ import annotations

import torch
from torch import Tensor

from stalefl.training.embedding import nearest_tokens
from stalefl.training.token_layer import PADDING


def token_accuracy(recovered: Tensor, true: Tensor, table: Tensor) -> Tensor:
    """The share [n] of places whose token is the true one, padding aside; both [n, L, D]. NaN for a text of none."""
    found, wanted = nearest_tokens(recovered, table), nearest_tokens(true, table)
    counts = wanted != PADDING
    return ((found == wanted) & counts).sum(dim=1).double() / counts.sum(dim=1)


def token_count(true: Tensor, table: Tensor) -> Tensor:
    """How many tokens but padding each text has; [n] of ``true`` [n, L, D]."""
    return (nearest_tokens(true, table) != PADDING).sum(dim=1).double()


def token_recall(recovered: Tensor, true: Tensor, table: Tensor) -> Tensor:
    """The share [n] of a text's tokens, padding aside, that were recovered at whatever place, each as often as it is
    there; both [n, L, D]. NaN for a text of none."""
    found, wanted = (_counts(nearest_tokens(embedded, table), len(table)) for embedded in (recovered, true))
    return torch.minimum(found, wanted).sum(dim=1).double() / wanted.sum(dim=1)


def _counts(tokens: Tensor, size: int) -> Tensor:
    """How often each token but padding is in each text of ``tokens`` [n, L]; int64 [n, V - 1]."""
    counts = tokens.new_zeros(len(tokens), size).scatter_add_(1, tokens, torch.ones_like(tokens))
    return counts[:, PADDING + 1 :]
