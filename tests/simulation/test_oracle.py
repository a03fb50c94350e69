from __future__ import annotations

import math

import pytest
import torch

from stalefl.simulation.oracle import UpdateError, mean_update_error, update_error

TRUTH = torch.tensor([3.0, -1.0])


def test_literal_distances() -> None:
    found = update_error(torch.tensor([1.0, 0.0]), TRUTH)
    assert found.l1 == pytest.approx(3 / 4)
    assert found.cosine == pytest.approx(1 - 3 / math.sqrt(10))


def test_the_truth_itself_has_no_distance_and_its_opposite_cosine_distance_2() -> None:
    assert update_error(TRUTH, TRUTH) == UpdateError(0.0, pytest.approx(0.0, abs=1e-12))
    assert update_error(-TRUTH, TRUTH) == UpdateError(2.0, pytest.approx(2.0))


def test_a_true_update_of_zero_has_no_relative_distance() -> None:
    assert math.isnan(update_error(torch.zeros(2), torch.zeros(2)).l1)


def test_mean() -> None:
    assert mean_update_error([]) is None
    assert mean_update_error(iter([UpdateError(1.0, 0.25), UpdateError(2.0, 0.75)])) == UpdateError(1.5, 0.5)
