from __future__ import annotations

import math
from typing import Any

import torch

from stalefl.records.documents.rounds import RoundRecord
from stalefl.records.json_files import json_line, parsed
from stalefl.records.round_record import round_record
from stalefl.training.evaluation import Evaluation

PAIR = {"accuracy": 0.5, "affected_class_accuracy": 0.25}
DRIFT = {"replaced_share": 0.5, "before": PAIR, "after": PAIR}


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


def test_a_round_that_is_read_has_the_order_in_which_it_was_written() -> None:
    written = record(4, oracle=True, drift=DRIFT, rejections=[{"client": 1, "cause": "arrived"}])
    document = json_line(written)
    assert json_line(parsed(document, RoundRecord)) == document
