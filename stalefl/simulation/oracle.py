"""The truth that only a simulator has: what a late client's update would have been, had it been on time.

Nothing here is reachable from a method; the engine compares after the server has decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cosine_similarity


@dataclass(frozen=True)
class UpdateError:
    """Distance of an estimate from the true update: relative L1 |e - u|_1 / |u|_1 and cosine distance 1 - cos(e, u)."""

    l1: float
    cosine: float


def update_error(estimate: Tensor, truth: Tensor) -> UpdateError:
    """Both distances between updates [P] (Wang and Gao, AAAI 2025, "Disparity"). NaN for a true update of zero."""
    l1 = (estimate - truth).abs().sum() / truth.abs().sum()
    # In float64: a cosine distance of small angles is lost in float32.
    cosine = 1 - cosine_similarity(estimate.double(), truth.double(), dim=0)
    return UpdateError(float(l1), float(cosine))


def mean_update_error(errors: Iterable[UpdateError]) -> UpdateError | None:
    values = list(errors)
    if not values:
        return None
    return UpdateError(sum(e.l1 for e in values) / len(values), sum(e.cosine for e in values) / len(values))
