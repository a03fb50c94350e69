from __future__ import annotations

import math

import pytest

from stalefl.builtins.compensators.weighted import Weighted, WeightedOptions
from tests.fixtures import update, view


def weight(staleness_rounds: int, samples: int = 1, **options: float) -> float:
    late = update([1.0, 2.0], samples=samples, staleness_rounds=staleness_rounds)
    return Weighted(WeightedOptions(**options)).compensate(late, view(), {}).weight


def test_half_the_samples_at_staleness_b_and_less_beyond() -> None:
    assert weight(10, samples=30) == 15
    assert weight(20) == pytest.approx(1 / (1 + math.exp(2.5)))
    assert weight(1) == pytest.approx(1 / (1 + math.exp(-2.25)))


def test_constants_are_options() -> None:
    assert weight(3, a=1.0, b=2.0) == pytest.approx(1 / (1 + math.e))


def test_a_fresh_update_keeps_its_samples_unless_asked_otherwise() -> None:
    assert weight(0, samples=30) == 30
    assert weight(0, fresh_by_formula=True) == pytest.approx(1 / (1 + math.exp(-2.5)))


def test_extreme_staleness_does_not_overflow() -> None:
    assert weight(10_000) == 0.0
    assert weight(10_000, a=-1.0) == 1.0


def test_the_delta_and_the_state_stay() -> None:
    late = update([1.0, 2.0], staleness_rounds=5)
    compensated = Weighted(WeightedOptions()).compensate(late, view(), {"a": 1})
    assert compensated.delta is late.delta
    assert compensated.state == {"a": 1}
