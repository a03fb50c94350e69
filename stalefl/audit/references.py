"""What metrics are compared with: noise, which knows nothing, and strangers, which know the classes and no more."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from stalefl.audit.cases import Truth
from stalefl.contracts import InputSpec, Leak, Split
from stalefl.seeds import named_generator, named_rng
from stalefl.training.value_range import bounds


def noise(truth: Truth, spec: InputSpec, seed: int, case: int) -> Leak:
    """As many inputs as there are true ones, uniform over the value range, each labelled with a class at random."""
    generator = named_generator(seed, "audit-noise", case)
    low, high = bounds(spec)
    uniform = torch.rand(len(truth.targets), *spec.shape, generator=generator)
    labels = torch.randint(spec.classes, (len(truth.targets),), generator=generator)
    return Leak(one_hot(labels, spec.classes).float(), low + (high - low) * uniform)


def strangers(truth: Truth, test: Split, spec: InputSpec, seed: int, case: int) -> Leak | None:
    """For every true sample another real one of its class, from the test split; None if a class has none there."""
    rng, classes = named_rng(seed, "audit-strangers", case), test.targets.cpu()
    chosen = []
    for label in truth.targets.tolist():
        places = (classes == label).nonzero().flatten()
        if not len(places):
            return None
        chosen.append(int(places[rng.integers(len(places))]))
    return Leak(one_hot(truth.targets.cpu(), spec.classes).float(), test.take(chosen)[0].cpu())


def common_share(targets: Tensor) -> float:
    """The share of the most common class."""
    return float(torch.bincount(targets.cpu()).max()) / len(targets)
