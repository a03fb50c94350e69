from __future__ import annotations

import json
from typing import Any

import pytest

from stalefl.records.ranking import best_method, summary
from tests.records.results import RESULTS, result


def test_the_reference_never_is_the_best_and_a_single_method_needs_no_mark() -> None:
    assert best_method(RESULTS) == "inversion"
    assert best_method(RESULTS, references=()) == "unstale"
    assert best_method(RESULTS[:4]) is None


def test_without_late_updates_the_last_rounds_decide() -> None:
    unmeasured = {"affected_class_accuracy": None, "accuracy": None}
    results = [
        result(method, 0, affected, mean_after_first_late=unmeasured) for method, affected in (("a", 0.1), ("b", 0.2))
    ]
    assert best_method(results) == "b"


def test_summary_is_json_with_the_tables_metrics() -> None:
    overview = json.loads(json.dumps(summary(RESULTS)))
    assert list(overview["methods"]) == ["unstale", "weighted", "inversion"]
    assert overview["best"] == "inversion"
    weighted = overview["methods"]["weighted"]
    assert weighted["seeds"] == [0, 1]
    assert round(weighted["last_10"]["affected_class_accuracy"]["spread"], 6) == 0.141421
    assert weighted["rounds_to_target"]["affected_class_accuracy"] == {"mean": None, "spread": None, "seeds_reached": 1}
    assert weighted["server_seconds"] == {"mean": 1.5, "spread": 0.0}
    assert "stale_error" not in weighted


def test_summary_has_the_errors_of_estimates_where_every_run_measured_them() -> None:
    def measured(late: float, own: float, **shadows: float) -> dict[str, Any]:
        error = {
            name: {"l1": value, "cosine": value / 2} for name, value in {"late": late, "own": own, **shadows}.items()
        }
        found = {label: {"estimate_error": error[label]} for label in shadows}
        return {"stale_error": error["late"], "estimate_error": error["own"], "shadows": found}

    runs = [{**RESULTS[0], **measured(1.0, 0.2, w5=0.3, w9=0.1)}, {**RESULTS[0], **measured(1.5, 0.4, w5=0.5)}]
    metrics = summary(runs)["methods"]["unstale"]
    assert metrics["stale_error"]["l1"] == {"mean": 1.25, "spread": pytest.approx(0.353553, abs=1e-6)}
    assert metrics["estimate_error"]["cosine"]["mean"] == pytest.approx(0.15)
    assert list(metrics["shadows"]) == ["w5"]
    assert metrics["shadows"]["w5"]["estimate_error"]["l1"]["mean"] == pytest.approx(0.4)
    assert "stale_error" not in summary([*runs, RESULTS[0]])["methods"]["unstale"]
