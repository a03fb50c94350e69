"""Whole runs in which the clients' data drift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.cli import main
from stalefl.config.schema import Experiment
from stalefl.contracts import InputError
from stalefl.records.folders import RunFolder
from stalefl.run.execute import measure
from stalefl.run.setup import build_run
from stalefl.simulation import engine
from stalefl.updates.observed import from_run, open_run
from tests.fixtures import digits_experiment
from tests.run.test_setup import CONTEXT, assert_same_run, run_it

LATE_CLIENT = 5


def experiment(method: str = "unweighted", rounds: int = 6, **drift: Any) -> Experiment:
    table = {"dataset": "digits-blended", "rate": 2.0, **drift}
    return digits_experiment(method, drift=table, run={"rounds": rounds})


@pytest.mark.parametrize("method", ["inversion", "unstale"])
def test_resumed_with_more_rounds_equals_the_long_run(method: str, tmp_path: Path) -> None:
    whole, resumed = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "resumed")
    run_it(experiment(method, rounds=6), whole)
    run_it(experiment(method, rounds=3), resumed)
    run_it(experiment(method, rounds=6), resumed, resume=True)
    assert_same_run(resumed, whole)


def test_accuracies_are_those_of_the_mix_that_clients_hold(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    result = run_it(experiment(), folder)
    records = folder.read_rounds()
    assert [record["drift"]["replaced_share"] for record in records] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    for record in records:
        share, before, after = (record["drift"][key] for key in ("replaced_share", "before", "after"))
        for key in ("accuracy", "affected_class_accuracy"):
            assert record[key] == pytest.approx((1 - share) * before[key] + share * after[key])
    assert result is not None
    assert result["drift"] == records[-1]["drift"]
    assert result["final"]["accuracy"] == pytest.approx(result["drift"]["after"]["accuracy"])


def test_where_only_late_clients_drift_only_their_class_is_measured_on_the_second_domain() -> None:
    run = build_run(experiment(clients="late"), CONTEXT)
    *_, (state, _) = engine.rounds(run.simulation, run.start, 6)
    measured = measure(run, state)
    assert measured.before is not None
    assert measured.after is not None
    wanted = [*measured.before.per_class_accuracy]
    wanted[LATE_CLIENT] = measured.after.per_class_accuracy[LATE_CLIENT]
    assert measured.evaluation.per_class_accuracy == wanted


def test_before_the_start_nothing_differs_from_a_run_without_drift(tmp_path: Path) -> None:
    plain, late = RunFolder.create(tmp_path / "plain"), RunFolder.create(tmp_path / "late")
    run_it(digits_experiment(), plain)
    run_it(experiment(start_round=5), late)
    for one, other in zip(plain.read_rounds()[:4], late.read_rounds()[:4], strict=True):
        assert other["drift"]["replaced_share"] == 0
        assert {key: one[key] for key in ("accuracy", "loss", "late_updates")} == {
            key: other[key] for key in ("accuracy", "loss", "late_updates")
        }
    assert "drift" not in plain.read_rounds()[0]


@pytest.mark.parametrize(("late_data", "round"), [("when-sent", 4), ("today", 6)])
def test_a_replay_gives_the_data_that_a_late_client_trained_on(late_data: str, round: int, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(experiment(rate=1.0, late_data=late_data), folder)
    run = open_run(folder.path, None, CONTEXT)
    observed = from_run(run, LATE_CLIENT, 6, folder.read_rounds())
    assert observed.client_data is not None
    assert torch.equal(observed.client_data[0], run.data.client_data(LATE_CLIENT, round)[0])
    other = 10 - round
    assert not torch.equal(observed.client_data[0], run.data.client_data(LATE_CLIENT, other)[0])


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        ({"dataset": "nowhere"}, 'drift.dataset: unknown dataset "nowhere"'),
        ({"options": {"patches": "digits"}}, "drift.dataset: patches = digits: not valid"),
        ({"options": {"nothing": 1}}, "drift.dataset: .*nothing"),
    ],
)
def test_a_second_domain_that_cannot_be_had_is_one_line(drift: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        build_run(experiment(**drift), CONTEXT)
    assert "\n" not in str(caught.value)


def test_the_command_line_shows_both_domains(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    small = ["--method", "unweighted", "--rounds", "3", "--set", "partition.clients=10", "--set", "model.name=mlp"]
    drift = ["--set", "drift.dataset=digits-blended", "--set", "drift.rate=20.0"]
    assert main(["simulate", *small, *drift, "--out", str(tmp_path / "run")]) == 0
    screen = capsys.readouterr()
    assert "reading digits and digits-blended" in screen.err
    assert "data drift: accuracy on the mix of both domains" in screen.out
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert (
        "on digits-blended, to which the clients' data drift (397 test samples): accuracy 0." in capsys.readouterr().out
    )
