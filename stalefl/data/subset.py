"""A part of a split that stands for the whole."""

from __future__ import annotations

import numpy as np
import torch

from stalefl.contracts import Split


def stratified_subset(split: Split, samples: int, rng: np.random.Generator) -> Split:
    """``samples`` of ``split``, drawn without replacement; the whole where ``samples`` is 0 or more than there are.

    Classes keep their shares of the split, none more than a sample above; every class keeps at least one, as far as
    ``samples`` goes.
    """
    if not 0 < samples < len(split):
        return split
    order = rng.permutation(len(split))
    labels = split.targets.cpu().numpy()[order]
    # Where each sample stands in its class, from 0 to 1; those that stand first are taken, of equals at random.
    standing = np.empty(len(order))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        standing[own] = np.arange(len(own)) / len(own)
    chosen = torch.from_numpy(np.sort(order[np.argsort(standing, kind="stable")[:samples]]))
    return Split(split.raw[chosen], split.targets[chosen], split.to_model)
