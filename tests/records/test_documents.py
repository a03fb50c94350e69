from __future__ import annotations

import json
import math
from typing import Any

import torch

from stalefl.records.documents import environment, round_record, run_result
from stalefl.training.evaluation import Evaluation


def evaluation(affected: float | None, loss: float = 0.5) -> Evaluation:
    return Evaluation(0.6, [0.7, affected], torch.zeros(2, 2, dtype=torch.int64), loss)


def record(round: int, affected: float | None = 0.9, **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "participants": (3, 1),
        "staleness_rounds": (20,) if round >= 3 else (),
        "rejected_updates": 1,
        "server_seconds": 0.25,
        "client_seconds": 0.5,
        "affected_classes": (1,),
        "evaluation": evaluation(affected),
        "inversion_iterations": 10,
    }
    return round_record(round=round, **{**facts, **changes})


def test_a_round_record_has_the_documented_shape() -> None:
    assert record(4) == {
        "round": 4,
        "accuracy": 0.6,
        "affected_class_accuracy": 0.9,
        "per_class_accuracy": [0.7, 0.9],
        "loss": 0.5,
        "participants": [3, 1],
        "stale_updates": 1,
        "staleness_rounds": [20],
        "rejected_updates": 1,
        "server_seconds": 0.25,
        "client_seconds": 0.5,
        "inversion_iterations": 10,
        "late_updates": [],
    }


def test_late_updates_and_shadows_are_recorded_as_they_are_given() -> None:
    late_updates = ({"client": 3, "weight": 2.0, "gamma": math.inf},)
    shadow = {"estimate_error": {"l1": 0.5, "cosine": math.nan}, "iterations": 7, "seconds": 0.5}
    found = record(4, late_updates=late_updates, oracle=True, shadows={"tenth": shadow})
    assert found["late_updates"] == [{"client": 3, "weight": 2.0, "gamma": None}]
    assert found["shadows"] == {"tenth": {**shadow, "estimate_error": {"l1": 0.5, "cosine": None}}}
    assert "shadows" not in record(4, oracle=True, shadows={})


def test_why_updates_were_rejected_is_recorded_where_any_were() -> None:
    rejections = [{"client": 3, "cause": "arrived"}]
    assert record(4, rejections=rejections)["rejections"] == rejections
    assert "rejections" not in record(4)


def test_a_round_that_was_not_evaluated_has_nulls() -> None:
    unevaluated = record(1, evaluation=None)
    assert [unevaluated[key] for key in ("accuracy", "affected_class_accuracy", "per_class_accuracy", "loss")] == [
        None
    ] * 4


def test_nan_becomes_null() -> None:
    assert record(1, evaluation=evaluation(0.0, loss=math.nan))["loss"] is None
    with_errors = record(3, oracle=True, estimate_error={"l1": math.inf, "cosine": 0.5})
    assert with_errors["estimate_error"] == {"l1": None, "cosine": 0.5}
    assert with_errors["stale_error"] is None


def test_a_result_sums_up_its_rounds() -> None:
    records = [record(t, affected) for t, affected in enumerate([0.1, 0.9, 0.8, 0.8, 0.7, 0.8, 0.9], start=1)]
    records.append(record(8, evaluation=None))
    result = run_result(
        method="inversion",
        dataset="digits",
        model="cnn-digits",
        seed=3,
        records=records,
        target_accuracy=0.8,
        first_late_round=3,
        wall_seconds=9.0,
    )
    final = {"accuracy": 0.6, "affected_class_accuracy": 0.9, "per_class_accuracy": [0.7, 0.9], "loss": 0.5}
    assert result["schema"] == 1
    assert (result["method"], result["dataset"], result["model"], result["seed"]) == (
        "inversion",
        "digits",
        "cnn-digits",
        3,
    )
    assert result["rounds"] == 8
    assert result["final"] == final
    assert result["best"] == {"round": 2, **final}
    assert result["rounds_to_target"] == {"target": 0.8, "affected_class_accuracy": 6, "accuracy": None}
    assert round(result["mean_after_first_late"]["affected_class_accuracy"], 9) == 0.8
    assert (result["stale_updates"], result["rejected_updates"], result["inversion_iterations"]) == (6, 8, 80)
    assert (result["server_seconds"], result["client_seconds"], result["wall_seconds"]) == (2.0, 4.0, 9.0)


def test_a_result_of_nothing_is_null_not_an_error() -> None:
    result = run_result(
        method="m",
        dataset="d",
        model="n",
        seed=0,
        records=[],
        target_accuracy=0.8,
        first_late_round=None,
        wall_seconds=0,
    )
    assert result["final"]["accuracy"] is None
    assert result["best"]["round"] is None


def test_environment_is_json() -> None:
    facts = environment("cpu", threads=2)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == 2
