from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stalefl.contracts import Split
from stalefl.data.subset import stratified_subset
from tests.data.samples import tiny_dataset


def split_of(*class_sizes: int) -> Split:
    """Sample i is the number i; classes come one after the other."""
    targets = torch.repeat_interleave(torch.arange(len(class_sizes)), torch.tensor(class_sizes))
    return Split(torch.arange(len(targets)), targets, lambda raw: raw.float())


def subset(split: Split, samples: int, seed: int = 0) -> Split:
    return stratified_subset(split, samples, np.random.default_rng(seed))


def class_sizes(split: Split, classes: int) -> list[int]:
    return torch.bincount(split.targets, minlength=classes).tolist()


@pytest.mark.parametrize(
    ("sizes", "samples", "kept"),
    [
        ((10, 10, 10), 6, [2, 2, 2]),
        ((20, 10, 0, 10), 8, [4, 2, 0, 2]),
        ((100, 1), 10, [9, 1]),
        ((2, 6), 4, [1, 3]),
    ],
)
def test_each_class_keeps_its_share(sizes: tuple[int, ...], samples: int, kept: list[int]) -> None:
    assert class_sizes(subset(split_of(*sizes), samples), len(sizes)) == kept


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 100), st.integers(0, 5))
def test_shares_hold_for_any_classes(sizes: list[int], samples: int, seed: int) -> None:
    split = split_of(*sizes)
    part = subset(split, samples, seed)
    assert len(part) == min(samples, len(split))
    kept = class_sizes(part, len(sizes))
    assert all(k <= s * len(part) / max(1, len(split)) + 1 for k, s in zip(kept, sizes, strict=True))
    if samples >= len(sizes):
        assert all(k >= min(s, 1) for k, s in zip(kept, sizes, strict=True))
    assert len(set(part.raw.tolist())) == len(part)
    assert torch.equal(part.targets, split.targets[part.raw])


@pytest.mark.parametrize("samples", [0, 40, 41])
def test_the_whole_split_is_left_as_it_is(samples: int) -> None:
    split = tiny_dataset().test
    assert subset(split, samples) is split


def test_the_draw_is_the_generators_and_inputs_stay_with_their_targets() -> None:
    split = tiny_dataset().test
    one, again, other = (subset(split, 12, seed) for seed in (0, 0, 1))
    assert torch.equal(one.raw, again.raw)
    assert not torch.equal(one.raw, other.raw)
    inputs, targets = one.take(range(12))
    assert (inputs[:, 0, 0, 0] / 10 % 4).tolist() == targets.tolist()
