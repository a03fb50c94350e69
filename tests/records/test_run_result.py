from __future__ import annotations

from typing import Any

import torch

from stalefl.records.documents.run import RunResult
from stalefl.records.json_files import json_line, parsed
from stalefl.records.round_record import round_record
from stalefl.records.run_result import run_result
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


def test_a_result_that_is_read_has_the_order_in_which_it_was_written() -> None:
    result = run_result(
        method="m",
        dataset="d",
        model="n",
        seed=0,
        records=[record(1), record(2)],
        target_accuracy=0.8,
        first_late_round=1,
        wall_seconds=1.0,
    )
    document = json_line(result)
    assert json_line(parsed(document, RunResult)) == document
