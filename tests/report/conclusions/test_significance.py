from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stalefl.report.conclusions.significance import Difference, holm, paired_difference, verdict

FIGURES = st.dictionaries(st.integers(0, 9), st.integers(0, 100).map(lambda percent: percent / 100), min_size=3)


def test_a_paired_difference_by_hand() -> None:
    """Differences 0.1, 0.2, 0.3: mean 0.2, deviation 0.1, standard error 0.1 / sqrt(3) = 0.05774; Student's t with 2
    degrees of freedom reaches 4.30265, so 0.2484; t = 3.4641, p = 1 - 3.4641 / sqrt(2 + 12) = 0.0742."""
    found = paired_difference({0: 0.6, 1: 0.9, 2: 0.8, 7: 0.0}, {0: 0.5, 1: 0.7, 2: 0.5, 8: 1.0})
    assert found
    assert (found.mean, found.seeds) == (pytest.approx(0.2), 3)
    assert found.interval == pytest.approx((-0.04841, 0.44841), abs=1e-5)
    assert found.p_value == pytest.approx(0.0742, abs=1e-4)


def test_too_few_seeds_give_a_mean_alone_and_none_shared_nothing() -> None:
    assert paired_difference({0: 0.75, 1: 0.5}, {0: 0.5, 1: 0.5}) == Difference(0.125, 2)
    assert paired_difference({0: 0.75}, {1: 0.5}) is None


def test_seeds_that_agree_leave_no_doubt() -> None:
    assert paired_difference(dict.fromkeys(range(3), 0.5), dict.fromkeys(range(3), 0.5)) == Difference(0, 3, (0, 0), 1)
    found = paired_difference(dict.fromkeys(range(3), 0.75), dict.fromkeys(range(3), 0.5))
    assert found == Difference(0.25, 3, (0.25, 0.25), 0.0)


@given(FIGURES, FIGURES)
def test_the_other_way_round_it_is_the_opposite(first: dict[int, float], second: dict[int, float]) -> None:
    forth, back = paired_difference(first, second), paired_difference(second, first)
    assert (forth is None) == (back is None)
    if forth is None or back is None:
        return
    assert forth.mean == pytest.approx(-back.mean)
    if forth.interval and back.interval and forth.p_value is not None:
        assert forth.interval == pytest.approx((-back.interval[1], -back.interval[0]))
        # The interval leaves 0 out exactly where the p-value is below 0.05.
        if abs(forth.p_value - 0.05) > 1e-6:
            assert (forth.p_value < 0.05) == (not forth.interval[0] <= 0 <= forth.interval[1])


def test_holm_by_hand() -> None:
    """The least times 3, the next times 2, the last times 1, and none below one before it."""
    assert holm({"a": 0.03, "b": 0.01, "c": 0.04}) == pytest.approx({"b": 0.03, "a": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert holm({}) == {}


@pytest.mark.parametrize(
    ("difference", "adjusted", "word"),
    [
        (Difference(0.1, 3, (0.05, 0.15), 0.01), 0.03, "better"),
        (Difference(-0.1, 3, (-0.15, -0.05), 0.01), 0.03, "worse"),
        (Difference(0.1, 3, (0.05, 0.15), 0.03), 0.06, "perhaps better"),
        (Difference(-0.1, 3, (-0.15, -0.05), 0.03), 0.06, "perhaps worse"),
        (Difference(0.1, 3, (-0.05, 0.25), 0.2), 0.2, "not told apart"),
        (Difference(0.5, 2), None, "too few seeds"),
        (None, None, "no shared seeds"),
    ],
)
def test_verdicts(difference: Difference | None, adjusted: float | None, word: str) -> None:
    assert verdict(difference, adjusted) == word
