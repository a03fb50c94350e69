"""Whole runs with delays other than one constant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stalefl.cli import main
from stalefl.contracts import InputError
from stalefl.records.folders import RunFolder
from stalefl.run.setup import build_run
from tests.fixtures import digits_experiment
from tests.run.test_setup import CONTEXT, assert_same_run, run_it

TRACE = """client,dispatched_round,arrived_round
5,1,2
5,2,5
5,3,5
7,1,9
8,6,6
"""
DRAWN = {"schedule": "lognormal", "median_rounds": 2.0, "redraw": "per-job", "dropout": 0.2}


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return path


def schedule(trace: Path, name: str) -> dict[str, Any]:
    return DRAWN if name == "drawn" else {"schedule": "trace", "trace": str(trace)}


@pytest.mark.parametrize("name", ["drawn", "trace"])
@pytest.mark.parametrize("method", ["inversion", "unstale"])
def test_resumed_with_more_rounds_equals_the_long_run(method: str, name: str, trace: Path, tmp_path: Path) -> None:
    staleness = schedule(trace, name)
    short, long = (digits_experiment(method, staleness=staleness, run={"rounds": t}) for t in (4, 9))
    whole, resumed = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "resumed")
    run_it(long, whole)
    run_it(short, resumed)
    run_it(long, resumed, resume=True)
    assert_same_run(resumed, whole)


def test_a_trace_is_followed_to_the_letter(trace: Path, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    result = run_it(digits_experiment(staleness=schedule(trace, "trace"), run={"rounds": 9}), folder)
    arrivals = {
        record["round"]: [(late["client"], late["staleness_rounds"]) for late in record["late_updates"]]
        for record in folder.read_rounds()
        if record["late_updates"]
    }
    assert arrivals == {2: [(5, 1)], 5: [(5, 2), (5, 3)], 9: [(7, 8)]}
    others = [0, 1, 2, 3, 4, 6, 9]
    wanted = {1: others, 2: sorted([*others, 5]), 5: sorted([*others, 5]), 6: sorted([*others, 8])}
    found = {record["round"]: record["participants"] for record in folder.read_rounds()}
    assert {t: found[t] for t in wanted} == wanted
    assert result is not None
    assert result["first_late_round"] == 2
    assert build_run(digits_experiment(staleness=schedule(trace, "trace")), CONTEXT).late_clients == (5, 7)


def test_a_run_whose_trace_was_changed_is_not_resumed(trace: Path, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(staleness=schedule(trace, "trace"), run={"rounds": 4}), folder)
    trace.write_text(TRACE.replace("7,1,9", "7,1,8"))
    longer = digits_experiment(staleness=schedule(trace, "trace"), run={"rounds": 9})
    with pytest.raises(InputError, match="waits for other updates than are planned: its trace was changed"):
        run_it(longer, folder, resume=True)


def test_affected_accuracy_is_the_mean_over_several_classes(tmp_path: Path) -> None:
    staleness = {"affected_class": [3, 5], "late_clients": 2}
    run = build_run(digits_experiment(staleness=staleness), CONTEXT)
    assert run.late_clients == (3, 5)
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(staleness=staleness), folder)
    for record in folder.read_rounds():
        classes = record["per_class_accuracy"]
        assert record["affected_class_accuracy"] == pytest.approx((classes[3] + classes[5]) / 2)


SMALL = ["--method", "unweighted", "--rounds", "8", "--set", "partition.clients=10", "--set", "model.name=mlp"]


def test_the_command_line_tells_how_late_updates_were(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    schedule = ["--set", "staleness.schedule=uniform", "--set", "staleness.least_rounds=1"]
    schedule += ["--set", "staleness.greatest_rounds=4", "--set", "staleness.redraw=per-job"]
    assert main(["simulate", *SMALL, *schedule, "--out", str(tmp_path / "run")]) == 0
    assert "late updates, by 1 to " in capsys.readouterr().out


def test_where_nothing_late_arrives_there_is_a_warning(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    schedule = ["--set", "staleness.schedule=uniform", "--set", "staleness.least_rounds=20"]
    assert main(["simulate", *SMALL, *schedule, "--out", str(tmp_path / "run")]) == 0
    assert "no late update arrives in the 8 rounds" in capsys.readouterr().err


def test_bad_traces_are_one_line(capsys: pytest.CaptureFixture[str], trace: Path, tmp_path: Path) -> None:
    trace.write_text(TRACE + "12,1,1\n")
    use = ["--set", "staleness.schedule=trace", "--set", f"staleness.trace={trace}"]
    for command in (["partition", "--clients", "10", *use], ["simulate", *SMALL, *use, "--out", str(tmp_path / "run")]):
        assert main(command) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.endswith(f"{trace}, line 7: there is no client 12; valid: 0 to 9")
    assert not (tmp_path / "run").exists()
