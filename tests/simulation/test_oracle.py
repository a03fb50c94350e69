from __future__ import annotations

import math

import pytest
import torch

from stalefl.simulation.oracle import Disparity, disparity, mean_disparity

TRUTH = torch.tensor([3.0, -1.0])


def test_literal_distances() -> None:
    found = disparity(torch.tensor([1.0, 0.0]), TRUTH)
    assert found.l1 == pytest.approx(3 / 4)
    assert found.cosine == pytest.approx(1 - 3 / math.sqrt(10))


def test_the_truth_itself_has_no_distance_and_its_opposite_cosine_distance_2() -> None:
    assert disparity(TRUTH, TRUTH) == Disparity(0.0, pytest.approx(0.0, abs=1e-12))
    assert disparity(-TRUTH, TRUTH) == Disparity(2.0, pytest.approx(2.0))


def test_a_true_update_of_zero_has_no_relative_distance() -> None:
    assert math.isnan(disparity(torch.zeros(2), torch.zeros(2)).l1)


def test_mean() -> None:
    assert mean_disparity([]) is None
    assert mean_disparity(iter([Disparity(1.0, 0.25), Disparity(2.0, 0.75)])) == Disparity(1.5, 0.5)
