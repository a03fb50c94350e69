from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stalefl.records.metrics import (
    AFFECTED,
    OVERALL,
    best_record,
    first_late_round,
    last_mean,
    mean_after_first_late,
    mean_and_spread,
    rounds_to_target,
    server_cost,
)

Records = list[dict[str, Any]]
accuracies = st.lists(st.none() | st.floats(0, 1), max_size=40)


def records(affected: list[float | None], overall: list[float | None] | None = None) -> Records:
    pairs = zip(affected, overall or affected, strict=True)
    return [{"round": t, AFFECTED: a, OVERALL: o, "stale_updates": 0} for t, (a, o) in enumerate(pairs, start=1)]


def test_spread_is_the_sample_standard_deviation() -> None:
    assert mean_and_spread([0.1, 0.2, 0.3]) == (pytest.approx(0.2), pytest.approx(0.1))


def test_one_seed_has_no_spread_and_a_missing_seed_no_mean() -> None:
    assert mean_and_spread([0.5]) == (0.5, None)
    assert mean_and_spread([0.5, None]) == (None, None)
    assert mean_and_spread([]) == (None, None)


def test_rounds_to_target_is_where_the_trailing_mean_stays() -> None:
    reached_then_lost = [1.0] * 5 + [0.0] * 5
    assert rounds_to_target(records(reached_then_lost), AFFECTED, 0.8) is None
    assert rounds_to_target(records(reached_then_lost + [1.0] * 5), AFFECTED, 0.8) == 14  # 0 1 1 1 1
    assert rounds_to_target(records([0.0] * 3 + [1.0] * 9), AFFECTED, 1.0) == 8
    assert rounds_to_target(records([1.0] * 4), AFFECTED, 0.8) is None


def test_rounds_to_target_counts_evaluated_rounds_only() -> None:
    every_second: list[float | None] = [None, 0.9] * 6
    assert rounds_to_target(records(every_second), AFFECTED, 0.9) == 10


@given(values=accuracies, target=st.floats(0.01, 1))
def test_the_target_is_held_from_that_round_and_not_from_the_one_before(
    values: list[float | None], target: float
) -> None:
    points = [(t, v) for t, v in enumerate(values, start=1) if v is not None]
    means = {points[i][0]: math.fsum(v for _, v in points[i - 4 : i + 1]) / 5 for i in range(4, len(points))}
    below = [t for t, mean in means.items() if mean < target - 1e-9]
    expected = next((t for t in means if not below or t > below[-1]), None)
    assert rounds_to_target(records(values), AFFECTED, target) == expected


@given(value=st.floats(0.01, 1), rounds=st.integers(5, 30))
def test_a_constant_run_holds_its_own_accuracy_from_round_five(value: float, rounds: int) -> None:
    assert rounds_to_target(records([value] * rounds), AFFECTED, value) == 5


def test_mean_after_the_first_late_update_includes_its_round() -> None:
    run = records([0.0, 0.0, 0.4, None, 0.8], [0.1, 0.1, 0.5, None, 0.7])
    assert mean_after_first_late(run, 3) == {AFFECTED: pytest.approx(0.6), OVERALL: pytest.approx(0.6)}
    assert mean_after_first_late(run, None) == {AFFECTED: None, OVERALL: None}
    assert mean_after_first_late(run, 6) == {AFFECTED: None, OVERALL: None}


def test_last_mean_counts_evaluated_rounds() -> None:
    run = records([0.0, 0.2, None, 0.4, None])
    assert last_mean(run, 2)[AFFECTED] == pytest.approx(0.3)
    assert last_mean(run)[AFFECTED] == pytest.approx(0.2)
    assert last_mean([]) == {AFFECTED: None, OVERALL: None}


def test_first_late_round() -> None:
    run = records([0.0] * 3)
    assert first_late_round(run) is None
    run[1]["stale_updates"] = 2
    assert first_late_round(run) == 2


def test_best_is_by_the_affected_class_then_overall_then_the_earliest() -> None:
    best = best_record(records([0.1, 0.9, 0.9, 0.9, None], [1.0, 0.5, 0.6, 0.6, None]))
    assert best is not None
    assert best["round"] == 3
    unmeasured = best_record(records([None, None], [0.3, 0.4]))
    assert unmeasured is not None
    assert unmeasured["round"] == 2
    assert best_record(records([None])) is None


def test_costs_without_a_run_or_a_late_update() -> None:
    assert server_cost([]).each is None
    assert server_cost([]).of_training is None
    assert server_cost([[{"server_seconds": 3.0, "client_seconds": 4.0, "stale_updates": 0}]]).run == 3.0
