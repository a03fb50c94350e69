"""Does a late client know something that nobody on time knows? Decided from the directions of updates alone.

Paper: Wang and Gao, AAAI 2025, Eqs. (7) and (8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Rule = Literal["nearest", "mean"]
"""The difference of a late update from the updates on time: the cosine distance from the nearest, or from the mean of
all distances. The paper leaves this open."""


class Uniqueness(NamedTuple):
    """The late update's difference from those on time, and the threshold above which its data count as unique."""

    distance: float
    threshold: float

    @property
    def unique(self) -> bool:
        return self.distance > self.threshold


def uniqueness(late: Tensor, on_time: Sequence[Tensor], rule: Rule) -> Uniqueness:
    """Compare a late update [P] with the on-time updates, [P] each, that started from the same model.

    The threshold is the mean cosine distance between the updates on time, over all ordered pairs, each with itself
    included, as Eq. (8) has it. Without any update on time the data count as unique.
    """
    if not on_time:
        return Uniqueness(1.0, 0.0)
    fresh = torch.stack(list(on_time))
    distances = cosine_distances(late[None], fresh)
    distance = distances.min() if rule == "nearest" else distances.mean()
    return Uniqueness(float(distance), float(cosine_distances(fresh, fresh).mean()))


def cosine_distances(one: Tensor, other: Tensor) -> Tensor:
    """1 - cos between the rows of [n, P] and of [m, P], as [n, m] (Eq. 7); 1 for a row of zeros."""
    one, other = (torch.nn.functional.normalize(rows, dim=1) for rows in (one, other))
    return 1 - one @ other.T
