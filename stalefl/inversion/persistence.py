"""What is left today of a client's update of a past round, as D_rec tells it (docs/anchored-inversion.md)."""

from __future__ import annotations

import torch
from torch import Tensor


def persisting_share(explained: Tensor, predicted: Tensor) -> float:
    """The share, from 0 to 1, of the update ``explained`` [P] that D_rec gives where the client began which persists in
    the one that it gives today, ``predicted`` [P], along its own direction; 1 of nothing.

    What D_rec leaves unexplained of the client's update is taken to persist as much.
    """
    length = explained.square().sum()
    return float((torch.dot(predicted, explained) / length).clamp(0, 1)) if length else 1.0
