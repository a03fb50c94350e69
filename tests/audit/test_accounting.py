from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stalefl.audit.accounting import epsilon
from stalefl.contracts import InputError


def normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def delta_of(epsilon: float, sigma: float) -> float:
    """Theorem 8 of Balle and Wang, sensitivity 1."""
    return normal(0.5 / sigma - epsilon * sigma) - math.exp(epsilon) * normal(-0.5 / sigma - epsilon * sigma)


def exact(sigma: float, delta: float) -> float:
    low, high = 0.0, 200.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle, sigma) > delta else (low, middle)
    return high


@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-2])
def test_epsilon_is_the_closed_form(sigma: float, delta: float) -> None:
    assert epsilon(sigma, delta) == pytest.approx(exact(sigma, delta), rel=1e-5)
    assert epsilon(sigma, delta, rounds=4) == pytest.approx(exact(sigma / 2, delta), rel=1e-5)
    assert epsilon(sigma, delta, neighbours="replace") == pytest.approx(exact(sigma / 2, delta), rel=1e-5)


@pytest.mark.parametrize(("rounds", "neighbours"), [(1, "add-remove"), (5, "add-remove"), (2, "replace")])
def test_the_accountant_of_privacy_losses_gives_the_same(rounds: int, neighbours) -> None:
    import dp_accounting

    relations = {
        "add-remove": dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE,
        "replace": dp_accounting.NeighboringRelation.REPLACE_ONE,
    }
    accountant = dp_accounting.pld.PLDAccountant(relations[neighbours])
    accountant.compose(dp_accounting.GaussianDpEvent(3.0), rounds)
    assert epsilon(3.0, 1e-5, rounds, neighbours) == pytest.approx(accountant.get_epsilon(1e-5), rel=1e-3)


@given(st.floats(0.05, 50), st.floats(1e-9, 0.5), st.integers(1, 100))
def test_more_noise_more_delta_or_fewer_rounds_cost_less(noise: float, delta: float, rounds: int) -> None:
    cost = epsilon(noise, delta, rounds) + 1e-9
    assert epsilon(2 * noise, delta, rounds) <= cost
    assert epsilon(noise, min(2 * delta, 0.9), rounds) <= cost
    assert epsilon(noise, delta, rounds + 1) + 1e-9 >= cost - 1e-9
    assert epsilon(noise, delta, rounds, "replace") + 1e-9 >= cost - 1e-9


def test_without_noise_nothing_is_guaranteed() -> None:
    assert epsilon(0.0, 1e-5) == math.inf


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((-1.0, 1e-5), "noise multiplier -1"),
        ((1.0, 0.0), "delta 0"),
        ((1.0, 1e-5, 0), "rounds = 0"),
        ((1.0, 1e-5, 1, "swap"), 'neighbours "swap"'),
    ],
)
def test_values_that_make_no_sense_are_refused(arguments, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        epsilon(*arguments)
