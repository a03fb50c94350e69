"""Does a late client know something that nobody on time knows? Decided from the directions of updates alone.

Paper: Wang and Gao, AAAI 2025, Eqs. (7) and (8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Rule = Literal["nearest", "mean"]
"""What "different from the others" means, which the paper leaves open. ``mean``: the mean cosine distance from the
on-time updates is above theirs among each other, Eq. (8) to the letter. ``nearest``: the distance from the nearest of
them is above half of that; the smallest of many distances does not compare with a mean, but a fellow with like data is
far nearer than halfway to a stranger."""


class Uniqueness(NamedTuple):
    """The late update's difference from those on time, and the threshold above which its data count as unique."""

    distance: float
    threshold: float

    @property
    def unique(self) -> bool:
        return self.distance > self.threshold


def uniqueness(late: Tensor, on_time: Sequence[Tensor], rule: Rule) -> Uniqueness:
    """Compare a late update [P] with the on-time updates, [P] each, that started from the same model.

    The threshold is made of the mean cosine distance between the updates on time, over all ordered pairs, each with
    itself included, as Eq. (8) has it. Without any update on time the data count as unique.
    """
    if not on_time:
        return Uniqueness(1.0, 0.0)
    fresh = torch.stack(list(on_time))
    distances = cosine_distances(late[None], fresh)
    among_each_other = float(cosine_distances(fresh, fresh).mean())
    if rule == "nearest":
        return Uniqueness(float(distances.min()), among_each_other / 2)
    return Uniqueness(float(distances.mean()), among_each_other)


def cosine_distances(one: Tensor, other: Tensor) -> Tensor:
    """1 - cos between the rows of [n, P] and of [m, P], as [n, m] (Eq. 7); 1 for a row of zeros."""
    one, other = (torch.nn.functional.normalize(rows, dim=1) for rows in (one, other))
    return 1 - one @ other.T
