from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stalefl.leakage.lbfgs import minimise

START = torch.tensor([3.0, 3.0]).double()
FREE = [(None, None)] * 2


def bowl(point: Tensor) -> Tensor:
    return (point[0] - 1) ** 2 + 100 * (point[1] + 2) ** 2


def test_it_finds_the_minimum() -> None:
    found = minimise(bowl, START, FREE, iterations=50, history=5)
    assert found.point.tolist() == pytest.approx([1.0, -2.0])
    assert START.tolist() == [3.0, 3.0]


def test_bounds_are_kept() -> None:
    found = minimise(bowl, START, [(None, None), (0.5, 4.0)], iterations=50, history=5)
    assert found.point.tolist() == pytest.approx([1.0, 0.5])


def test_iterations_are_limited_and_told() -> None:
    told: list[int] = []
    found = minimise(bowl, START, FREE, iterations=2, history=5, on_iteration=told.append)
    assert found.iterations == 2
    assert told == [1, 2]


def test_enough_ends_the_search() -> None:
    assert minimise(bowl, START, FREE, iterations=50, history=5, enough=lambda: True).iterations == 1


def test_where_the_objective_is_not_finite_the_best_point_before_is_kept() -> None:
    def cliff(point: Tensor) -> Tensor:
        return torch.where(point[0] < 2.9, torch.nan, bowl(point))

    found = minimise(cliff, START, FREE, iterations=50, history=5)
    assert bowl(found.point) <= bowl(START)
    assert minimise(lambda point: point.sum() * torch.nan, START, FREE, iterations=5, history=5).point.equal(START)
