from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stalefl.inversion.switching import ENOUGH_ARRIVALS, Switch
from stalefl.storage import load_tree, save_tree

TRUTH = torch.tensor([3.0, 4.0])


def off(distance: float) -> Tensor:
    """A guess at this relative distance from the truth, whose length is 5."""
    return TRUTH + torch.tensor([5 * distance, 0.0])


def after(switch: Switch, *errors: tuple[float, float], first_round: int = 1) -> Switch:
    """After arrivals with these E1 and E2, one a round."""
    for round, (e1, e2) in enumerate(errors, start=first_round):
        switch = switch.seen(off(e1), off(e2), TRUTH, round)
    return switch


BETTER, WORSE = (0.1, 0.5), (0.5, 0.1)


def test_the_first_arrivals_count_alike() -> None:
    switch = after(Switch(), (0.2, 0.4), (0.4, 0.8), (0.6, 1.2))
    assert (switch.e1, switch.e2) == (pytest.approx(0.4), pytest.approx(0.8))
    assert (switch.arrivals, switch.switched_round) == (3, 0)


def test_later_ones_count_a_tenth() -> None:
    switch = after(Switch(), *[(0.2, 0.4)] * 10)
    switch = after(switch, (1.2, 0.4), first_round=11)
    assert (switch.e1, switch.e2) == (pytest.approx(0.9 * 0.2 + 0.1 * 1.2), pytest.approx(0.4))


def test_the_switch_is_made_once_the_estimates_are_worse_on_mean() -> None:
    """E1 - E2 adds up to 3 * -0.4 + 2 * 0.5 = -0.2 after five arrivals and to 0.3 after six."""
    switch = after(Switch(), *[BETTER] * 3, *[(0.6, 0.1)] * 2, first_round=11)
    assert (switch.arrivals, switch.switched_round) == (5, 0)
    assert after(switch, (0.6, 0.1), first_round=16).switched_round == 16


def test_the_switch_waits_for_enough_arrivals() -> None:
    assert after(Switch(), *[WORSE] * (ENOUGH_ARRIVALS - 1)).switched_round == 0
    assert after(Switch(), *[WORSE] * ENOUGH_ARRIVALS).switched_round == ENOUGH_ARRIVALS


def test_equal_errors_are_no_reason_to_switch() -> None:
    assert after(Switch(), *[(0.3, 0.3)] * 20).switched_round == 0


def test_it_is_never_switched_again() -> None:
    switched = after(Switch(), *[WORSE] * 5)
    assert after(switched, *[BETTER] * 50, *[WORSE] * 50, first_round=6).switched_round == 5


def test_a_true_update_of_zero_says_nothing() -> None:
    switch = after(Switch(), BETTER)
    assert switch.seen(off(9), off(1), torch.zeros(2), 2) is switch


@pytest.mark.parametrize(
    ("round", "window", "gamma"),
    [
        (40, 0.1, 1.0),
        (41, 0.1, 0.75),
        (42, 0.1, 0.5),
        (43, 0.1, 0.25),
        (44, 0.1, 0.0),
        (90, 0.1, 0.0),
        (50, 0.5, 0.5),
        (40, 0.0, 0.0),
        (41, 0.0, 0.0),
    ],
)
def test_gamma_falls_from_1_to_0_over_a_share_of_the_rounds_before_the_switch(
    round: int, window: float, gamma: float
) -> None:
    assert Switch(switched_round=40).gamma(round, window) == pytest.approx(gamma)


@pytest.mark.parametrize("window", [0.0, 0.1, 1.0])
def test_gamma_is_1_before_the_switch(window: float) -> None:
    assert Switch(0.9, 0.1, 4).gamma(1000, window) == 1


def test_it_comes_back_from_a_checkpoint(tmp_path) -> None:
    switch = after(Switch(), *[(0.1, 0.3)] * 3, *[WORSE] * 9)
    assert switch.switched_round > 0
    save_tree(tmp_path / "tree", switch.to_tree())
    assert Switch(**load_tree(tmp_path / "tree")) == switch
