from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.round_records import _late_update
from stalefl.run.setup import build_run
from stalefl.simulation.oracle import UpdateError
from stalefl.simulation.round_outcome import LateUpdate
from tests.fixtures import QUICK, digits_experiment
from tests.run.short_runs import CONTEXT, run_it, without_seconds


def test_records_of_a_run(tmp_path: Path) -> None:
    experiment = digits_experiment("inversion", evaluation={"every_rounds": 4})
    folder = RunFolder.create(tmp_path / "run")
    seen: list[dict[str, Any]] = []
    result = run_it(experiment, folder, on_round=seen.append)
    records = folder.read_rounds()
    assert records == seen
    assert [r["round"] for r in records] == [1, 2, 3, 4, 5, 6]
    assert [r["participants"] for r in records] == [list(range(10))] * 6
    assert [r["accuracy"] is not None for r in records] == [False, False, False, True, False, True]
    assert [r["staleness_rounds"] for r in records] == [[], [], [2], [2], [2], [2]]
    assert [r["inversion_iterations"] for r in records] == [0, 0, 4, 2, 2, 2]
    assert [r["stale_error"] is not None for r in records] == [False, False, True, True, True, True]
    assert records[-1]["affected_class_accuracy"] == records[-1]["per_class_accuracy"][5]
    assert result == folder.read_result()
    assert result is not None
    assert (result["method"], result["rounds"], result["first_late_round"]) == ("inversion", 6, 3)
    assert result["final"]["accuracy"] == records[-1]["accuracy"]


def test_a_record_tells_of_every_late_update(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run = build_run(digits_experiment("inversion"), CONTEXT)
    execute(run, folder)
    records = folder.read_rounds()
    assert [len(record["late_updates"]) for record in records] == [0, 0, 1, 1, 1, 1]
    last = records[-1]["late_updates"][0]
    assert (last["client"], last["staleness_rounds"]) == (run.late_clients[0], 2)
    assert (last["weight"], last["iterations"]) == (10.0, 2)
    # The estimates of rounds 3 and 4 have been checked in rounds 5 and 6.
    assert set(last) - {"client", "staleness_rounds", "weight", "iterations"} == {
        "e1",
        "e2",
        "gamma",
        "fit_loss",
        "estimate_error",
        "stale_error",
    }
    assert "e1" not in records[3]["late_updates"][0]
    assert last["estimate_error"] == records[-1]["estimate_error"]
    assert last["stale_error"] == records[-1]["stale_error"]
    assert last["e2"] > 0


def test_without_the_oracle_a_late_update_has_no_errors(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment("anchored-inversion", evaluation={"oracle": False}), folder)
    last = folder.read_rounds()[-1]
    assert set(last["late_updates"][0]) == {
        "client",
        "staleness_rounds",
        "weight",
        "iterations",
        "alpha",
        "beta",
        "persisting",
        "fit_loss",
    }
    assert "estimate_error" not in last


def test_a_methods_facts_take_no_place_of_the_records_own() -> None:
    late = LateUpdate(3, 2, 10.0, 4, {"client": 99.0, "own": 1.0, "stale_error": 0.0}, None, UpdateError(0.5, 0.25))
    assert _late_update(late, oracle=True) == {
        "client": 3,
        "staleness_rounds": 2,
        "weight": 10.0,
        "iterations": 4,
        "own": 1.0,
        "estimate_error": None,
        "stale_error": {"l1": 0.5, "cosine": 0.25},
    }


SHADOWS = {
    'ten % [odd] "label"\n': {"name": "inversion", "options": {**QUICK["inversion"], "sparsify": 0.9}},
    "anchored": {"name": "anchored-inversion", "options": QUICK["anchored-inversion"]},
    "plain": {"name": "unweighted"},
}


@pytest.mark.parametrize("method", ["unweighted", "inversion"])
def test_shadows_change_nothing_in_a_runs_own_records(method: str, tmp_path: Path) -> None:
    alone, cast = RunFolder.create(tmp_path / "alone"), RunFolder.create(tmp_path / "cast")
    run_it(digits_experiment(method), alone)
    run_it(digits_experiment(method, evaluation={"shadows": SHADOWS}), cast)
    assert cast.weights.read_bytes() == alone.weights.read_bytes()
    records = without_seconds(cast)
    for record in records:
        assert set(record.pop("shadows")) == set(SHADOWS)
    assert records == without_seconds(alone)


def test_shadows_need_no_oracle_flag_and_record_what_they_would_have_done(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(evaluation={"shadows": SHADOWS, "oracle": False}), folder)
    records = folder.read_rounds()
    assert [record["shadows"]["anchored"]["iterations"] for record in records] == [0, 0, 4, 2, 2, 2]
    assert [record["shadows"]["anchored"]["estimate_error"] is None for record in records] == [True] * 2 + [False] * 4
    last = records[-1]
    assert last["shadows"]["plain"]["estimate_error"] == last["stale_error"]
    assert last["shadows"]["plain"]["seconds"] > 0
    assert len({shadow["estimate_error"]["l1"] for shadow in last["shadows"].values()}) == 3
