"""How much of a client's labels an attack recovered: how many of each class, as samples have no order."""

from __future__ import annotations

import torch
from torch import Tensor

from stalefl.leakage.last_layer import counts_of


def recovered_counts(labels: Tensor, samples: int) -> Tensor:
    """How many of the client's ``samples`` an attack puts in each class, int64 [K].

    ``labels`` [M, K] are distributions, M not necessarily the number of samples. The samples are shared out in
    proportion to their mean by the method of the largest remainder: each class gets its share rounded down, and those
    left over go to the classes with the largest remainders, of equals to the first. For one sample that is the most
    likely class. A label that is no number, of an attack that diverged, counts as even.
    """
    labels = labels.double().nan_to_num(nan=1 / labels.shape[1])
    return counts_of(labels.double().mean(dim=0), samples)


def label_hits(recovered: Tensor, true: Tensor) -> int:
    """How many samples two class counts [K] agree on: the sum over the classes of the smaller one."""
    return int(torch.minimum(recovered, true).sum())


def guessed_hits(true: Tensor) -> float:
    """The hits to be expected of who knows the number of samples only and shares them out evenly, those left over
    to classes drawn at random; ``true`` [K] are the true counts. A K-th for one sample."""
    classes, samples = len(true), int(true.sum())
    even, left = divmod(samples, classes)
    return float(true.clamp(max=even).sum()) + int((true > even).sum()) * left / classes
