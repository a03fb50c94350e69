from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stalefl.audit.measure.label_hits import guessed_hits, label_hits, recovered_counts
from stalefl.seeds import named_generator


def counts(rows: list[list[float]], samples: int) -> list[int]:
    return recovered_counts(torch.tensor(rows), samples).tolist()


def test_one_label_each_is_counted() -> None:
    assert counts([[0, 1, 0], [0, 1, 0], [1, 0, 0]], 3) == [1, 2, 0]


def test_one_sample_is_of_the_most_likely_class() -> None:
    assert counts([[0.2, 0.5, 0.3]], 1) == [0, 1, 0]


def test_other_numbers_of_samples_are_scaled_and_the_largest_remainders_filled() -> None:
    # Mean (0.5, 0.3, 0.2) of 4: 2.0, 1.2, 0.8 -> 2, 1, 0 and one left, for the remainder 0.8.
    assert counts([[1, 0, 0], [0, 0.6, 0.4]], 4) == [2, 1, 1]
    # Three thirds in float32 are not below 1.
    assert counts([[1 / 3, 1 / 3, 1 / 3]], 3) == [1, 1, 1]
    assert counts([[0.5, 0.5]], 1) == [1, 0]
    assert counts([[float("nan"), float("nan")]], 2) == [1, 1]


@given(st.integers(1, 20), st.integers(1, 10), st.integers(1, 30))
def test_all_samples_are_shared_out(rows: int, classes: int, samples: int) -> None:
    labels = torch.rand(rows, classes, generator=named_generator(0, "labels", rows, classes)).softmax(dim=1)
    found = recovered_counts(labels, samples)
    assert int(found.sum()) == samples
    assert int(found.min()) >= 0


def test_hits_are_what_two_counts_have_in_common() -> None:
    assert label_hits(torch.tensor([3, 0, 1]), torch.tensor([1, 2, 1])) == 2


@pytest.mark.parametrize(
    ("true", "hits"),
    [
        ([0, 1, 0, 0], 0.25),
        ([1, 1, 0, 0], 1.0),
        ([4, 0, 0, 0], 1.0),
        # One of each is sure, the sixth guess adds a hit where the draw falls on the class of three.
        ([3, 1, 1, 0], 3.25),
    ],
)
def test_guessed_hits(true: list[int], hits: float) -> None:
    assert guessed_hits(torch.tensor(true)) == pytest.approx(hits)
