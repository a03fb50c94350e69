from __future__ import annotations

import pytest

from stalefl.records.estimates import (
    AS_THEY_ARE,
    Estimation,
    estimates_nothing,
    estimations,
    mean_estimate_errors,
    windows,
)
from tests.records.estimate_records import RECORDS, record


def test_every_late_update_counts_alike_whatever_round_it_came_in() -> None:
    late, method, shadow = estimations(RECORDS, "inversion")
    assert late == Estimation(AS_THEY_ARE, pytest.approx(1.75), pytest.approx(0.875), None, None)
    assert method == Estimation("inversion", pytest.approx(0.8), pytest.approx(0.4), 10.0, None)
    assert shadow == Estimation("other", pytest.approx(0.5), pytest.approx(0.25), 15.0, 3.0)


def test_mean_estimate_errors_have_the_names_of_a_record() -> None:
    assert mean_estimate_errors(RECORDS, "inversion") == {
        "stale_error": {"l1": pytest.approx(1.75), "cosine": pytest.approx(0.875)},
        "estimate_error": {"l1": pytest.approx(0.8), "cosine": pytest.approx(0.4)},
        "shadows": {
            "other": {
                "estimate_error": {"l1": pytest.approx(0.5), "cosine": pytest.approx(0.25)},
                "iterations_each": pytest.approx(15.0),
                "seconds_each": pytest.approx(3.0),
            }
        },
    }
    assert set(mean_estimate_errors([record(2, 1, 1.0, 0.5)], "inversion")) == {"stale_error", "estimate_error"}
    assert mean_estimate_errors([record(1, 0, 0, 0)], "inversion") == {}


def test_windows_of_twenty_rounds_leave_out_those_without_late_updates() -> None:
    records = [record(45, 1, 1.0, 0.25), *RECORDS]
    assert [(first, rows[1].l1) for first, rows in windows(records, "m")] == [
        (1, pytest.approx(0.5)),
        (21, pytest.approx(0.9)),
        (41, pytest.approx(0.25)),
    ]
    assert [first for first, _ in windows(RECORDS[:1] + RECORDS[2:], "m")] == [21]


def test_without_an_oracle_nothing_was_measured() -> None:
    assert estimations([{"round": 1, "late_updates": [{}]}], "inversion") == []


def test_a_shadow_called_like_the_method_is_told_from_it() -> None:
    assert [found.label for found in estimations(RECORDS, "other")] == [AS_THEY_ARE, "other", "other (shadow)"]
    assert mean_estimate_errors(RECORDS, "other")["shadows"]["other"]["estimate_error"]["l1"] == pytest.approx(0.5)


def test_a_method_that_takes_late_updates_as_they_are_estimates_nothing() -> None:
    records = [record(2, 1, 1.0, 1.0), record(3, 1, 0.5, 0.5)]
    assert estimates_nothing(estimations(records, "unweighted"))
    assert not estimates_nothing(estimations(RECORDS, "inversion"))
