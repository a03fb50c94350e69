"""Which recovered sample stands for which true one: the matching of least total squared error.

An attack recovers samples in no order, and not always as many as there are. Without a matching the error of a perfect
recovery in another order would look like that of a failure.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Matching(NamedTuple):
    """Pairs: ``recovered[i]`` is matched to ``true[i]``, both [min(M, N)]; in the order of ``recovered``."""

    recovered: Tensor
    true: Tensor


def squared_errors(recovered: Tensor, true: Tensor) -> Tensor:
    """[M, N] float64: the sum of squared differences of each of [M, *shape] to each of [N, *shape].

    Worked out as |a|^2 + |b|^2 - 2ab, which needs no [M, N, *shape] in memory, in float64 and about a common centre,
    so that a copy's error is 0 up to about 1e-12.
    """
    a, b = recovered.flatten(1).double(), true.flatten(1).double()
    centre = b.mean(dim=0)
    a, b = a - centre, b - centre
    errors = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * a @ b.T
    return errors.clamp(min=0)


def match_samples(errors: Tensor) -> Matching:
    """The pairs of least total error, of ``errors`` [M, N]; each sample is used at most once."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(errors.cpu().numpy())
    return Matching(torch.from_numpy(rows), torch.from_numpy(columns))
