from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.config.loading import experiment_to_toml, load_experiment
from stalefl.config.schema import Experiment, TrainingTable
from stalefl.contracts import DataContext, InputError
from stalefl.data.partition_file import load_partition
from stalefl.records.folders import RunFolder
from stalefl.records.run_data import read_run_data
from stalefl.run.execute import _late_update, execute
from stalefl.run.parts import local_training
from stalefl.run.setup import build_run
from stalefl.simulation.oracle import UpdateError
from stalefl.simulation.round_outcome import LateUpdate
from stalefl.storage import load_weights
from tests.fixtures import METHODS, QUICK, digits_experiment

CONTEXT = DataContext(Path("no-data-needed"))


def run_it(experiment: Experiment, folder: RunFolder, **known: Any) -> dict[str, Any] | None:
    return execute(build_run(experiment, CONTEXT), folder, **known)


def without_seconds(folder: RunFolder) -> list[dict[str, Any]]:
    return [_without_seconds(record) for record in folder.read_rounds()]


def _without_seconds(record: dict[str, Any]) -> dict[str, Any]:
    timeless = {k: v for k, v in record.items() if k != "seconds" and not k.endswith("_seconds")}
    return {k: _without_seconds(v) if isinstance(v, dict) else v for k, v in timeless.items()}


def stop_after(round: int) -> dict[str, Any]:
    """Arguments of ``execute`` that stop it after a round."""
    done: list[int] = []
    return {"on_round": lambda record: done.append(record["round"]), "should_stop": lambda: done[-1] >= round}


def assert_same_run(one: RunFolder, other: RunFolder) -> None:
    assert without_seconds(one) == without_seconds(other)
    assert one.weights.read_bytes() == other.weights.read_bytes()


def cnn_experiment(method: str, **tables: Any) -> Experiment:
    return digits_experiment(method, model={"name": "cnn-digits", "options": {}}, **tables)


# --- repeatable -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_stopped_and_resumed_gives_the_records_of_an_uninterrupted_run(method: str, tmp_path: Path) -> None:
    """Round 5 is past the checkpoint of round 4 and, late updates arriving from round 3, amid a method's memory."""
    experiment = cnn_experiment(method)
    whole, halved = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "halved")
    result = run_it(experiment, whole)
    torch.manual_seed(99)
    assert run_it(experiment, halved, **stop_after(5)) is None
    assert [record["round"] for record in halved.read_rounds()] == [1, 2, 3, 4, 5]
    assert not halved.result.exists()
    torch.manual_seed(100)
    resumed = run_it(experiment, halved, resume=True)
    assert_same_run(whole, halved)
    assert result is not None
    assert resumed is not None
    assert all(resumed[k] == v for k, v in result.items() if not k.endswith("_seconds"))


@pytest.mark.parametrize("method", ["unweighted", "w-pred", "inversion", "anchored-inversion"])
def test_so_does_a_run_whose_server_is_an_optimiser(method: str, tmp_path: Path) -> None:
    experiment = cnn_experiment(method, server={"optimizer": "amsgrad", "lr": 0.01})
    whole, halved = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "halved")
    run_it(experiment, whole)
    run_it(experiment, halved, **stop_after(5))
    run_it(experiment, halved, resume=True)
    assert_same_run(whole, halved)
    plain = RunFolder.create(tmp_path / "plain")
    run_it(cnn_experiment(method), plain)
    assert plain.weights.read_bytes() != whole.weights.read_bytes()


def test_records_after_the_last_checkpoint_are_made_again(tmp_path: Path) -> None:
    """As after a power cut: rounds.jsonl is ahead of the checkpoint and its last line is torn."""
    experiment = digits_experiment("inversion", run={"rounds": 6, "checkpoint_every_rounds": 2, "device": "cpu"})
    whole, torn = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "torn")
    run_it(experiment, whole)
    run_it(experiment, torn, **stop_after(4))
    with torn.rounds.open("ab") as file:
        file.write(whole.rounds.read_bytes().splitlines(keepends=True)[4] + b'{"round": 6, "accu')
    run_it(experiment, torn, resume=True)
    assert_same_run(whole, torn)


def test_resumed_before_its_first_checkpoint_a_run_begins_anew(tmp_path: Path) -> None:
    experiment = digits_experiment()
    whole, early = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "early")
    run_it(experiment, whole)
    early.append_round({"round": 1})
    run_it(experiment, early, resume=True)
    assert_same_run(whole, early)


def test_a_run_killed_at_any_moment_resumes(tmp_path: Path) -> None:
    experiment = digits_experiment("w-pred", run={"rounds": 60, "checkpoint_every_rounds": 3})
    killed, whole = RunFolder.create(tmp_path / "killed"), RunFolder.create(tmp_path / "whole")
    (tmp_path / "experiment.toml").write_text(experiment_to_toml(experiment))
    program = (
        "import sys; from pathlib import Path; from stalefl.config.loading import load_experiment\n"
        "from stalefl.contracts import DataContext; from stalefl.run.setup import build_run, execute\n"
        "from stalefl.records.folders import RunFolder\n"
        "run = build_run(load_experiment(Path(sys.argv[1])), DataContext(Path('none')))\n"
        "execute(run, RunFolder(sys.argv[2]))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path / "experiment.toml", killed.path])
    deadline = time.monotonic() + 60
    while killed.rounds.read_bytes().count(b"\n") < 7 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert 7 <= len(killed.read_rounds()) < 60
    run_it(experiment, killed, resume=True)
    run_it(experiment, whole)
    assert_same_run(whole, killed)


@pytest.mark.parametrize("method", ["unweighted", "w-pred"])
def test_resumed_with_more_rounds_equals_the_long_run(method: str, tmp_path: Path) -> None:
    short, long = digits_experiment(method, run={"rounds": 3}), digits_experiment(method, run={"rounds": 7})
    grown, whole = RunFolder.create(tmp_path / "grown"), RunFolder.create(tmp_path / "whole")
    run_it(short, grown)
    run_it(long, grown, resume=True)
    run_it(long, whole)
    assert_same_run(whole, grown)


def test_fewer_rounds_than_done_are_refused(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(), folder)
    before = folder.rounds.read_bytes(), folder.config.read_bytes()
    with pytest.raises(InputError, match="has done 6 rounds already; valid: run.rounds = 6 or more"):
        run_it(digits_experiment(run={"rounds": 4}), folder, resume=True)
    assert (folder.rounds.read_bytes(), folder.config.read_bytes()) == before


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_checkpoint_is_an_error_and_the_records_stay(damage: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(), folder, **stop_after(3))
    folder.checkpoint.write_bytes(damage(folder.checkpoint.read_bytes()))
    before = folder.rounds.read_bytes()
    with pytest.raises(InputError, match="checkpoint.safetensors is damaged"):
        run_it(digits_experiment(), folder, resume=True)
    assert folder.rounds.read_bytes() == before


def test_another_seed_gives_other_records(tmp_path: Path) -> None:
    one, other = RunFolder.create(tmp_path / "0"), RunFolder.create(tmp_path / "1")
    run_it(digits_experiment(), one)
    run_it(digits_experiment(run={"seed": 1}), other)
    assert [r["loss"] for r in one.read_rounds()] != [r["loss"] for r in other.read_rounds()]


def test_mini_batches_and_partial_participation_repeat(tmp_path: Path) -> None:
    training = {"clients_per_round": 4, "batch_size": 3}
    staleness = {"pipeline": False, "late_clients": 4}
    experiment = digits_experiment("asyn-tiers", training=training, staleness=staleness)
    one, other = RunFolder.create(tmp_path / "0"), RunFolder.create(tmp_path / "1")
    run_it(experiment, one)
    run_it(experiment, other, **stop_after(3))
    run_it(experiment, other, resume=True)
    assert_same_run(one, other)
    assert sum(record["stale_updates"] for record in one.read_rounds()) > 0


def test_every_key_of_the_local_program_reaches_it() -> None:
    keys = {
        "local_epochs": 3,
        "batch_size": 7,
        "lr": 0.2,
        "momentum": 0.3,
        "weight_decay": 0.4,
        "nesterov": True,
        "optimizer": "adam",
        "proximal_mu": 0.5,
    }
    assert asdict(local_training(TrainingTable.model_validate(keys))) == keys


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_with_clients_that_use_adam_and_fedprox(method: str, tmp_path: Path) -> None:
    training = {"optimizer": "adam", "lr": 0.01, "proximal_mu": 0.1, "batch_size": 5}
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(method, training=training), folder)
    records = folder.read_rounds()
    assert records[-1]["loss"] < records[0]["loss"]
    assert not any(record["rejected_updates"] for record in records)


def test_methods_see_all_clients_those_that_take_no_part_too() -> None:
    experiment = digits_experiment("mifa", training={"clients_per_round": 1}, run={"rounds": 1})
    assert build_run(experiment, CONTEXT).simulation.clients == 10


# --- what is written ------------------------------------------------------------------------------------------------


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


def test_a_run_folder_holds_all_that_repeats_the_run(tmp_path: Path) -> None:
    experiment = digits_experiment()
    folder = RunFolder.create(tmp_path / "run")
    run = build_run(experiment, CONTEXT)
    execute(run, folder)
    assert load_experiment(folder.config) == experiment
    partition, late_clients, _ = load_partition(folder.partition)
    assert late_clients == run.late_clients
    assert partition.sizes == (10,) * 10
    assert json.loads(folder.environment.read_text())["threads"] == 1
    held = read_run_data(folder.data)
    assert held
    assert (held.late_clients, held.spec) == (late_clients, run.data.dataset.spec)
    assert held.counts.sum(axis=1).tolist() == [10] * 10
    assert held.counts[list(late_clients), 5].min() > 0
    stored = run.simulation.model.layout.from_named(load_weights(folder.weights))
    state = folder.load_checkpoint()["simulation"]
    assert torch.equal(stored, state["weights"])
    assert state["round"] == 6


def test_the_reference_is_simulated_without_staleness_but_measured_over_the_same_rounds(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    result = run_it(digits_experiment("unstale"), folder)
    assert [r["stale_updates"] for r in folder.read_rounds()] == [0] * 6
    assert result is not None
    assert result["first_late_round"] == 3


def test_no_late_round_where_none_comes(tmp_path: Path) -> None:
    result = run_it(digits_experiment(run={"rounds": 2}), RunFolder.create(tmp_path / "run"))
    assert result is not None
    assert result["first_late_round"] is None


def test_methods_of_one_seed_share_partition_late_clients_and_initial_weights() -> None:
    first, second = (build_run(digits_experiment(method), CONTEXT) for method in ("unweighted", "inversion"))
    assert torch.equal(first.start.weights, second.start.weights)
    assert first.late_clients == second.late_clients
    assert first.simulation.jobs == second.simulation.jobs
    assert all((a == b).all() for a, b in zip(first.data.partition.indices, second.data.partition.indices, strict=True))


def test_methods_of_one_seed_are_measured_on_the_same_part_of_the_test_split(tmp_path: Path) -> None:
    """With 20 of 397 test samples, two of each class, accuracies come in twentieths and halves."""
    few = {"test_samples": 20}
    one, other = (build_run(digits_experiment(name, evaluation=few), CONTEXT) for name in ("unweighted", "weighted"))
    assert torch.equal(one.data.test.raw, other.data.test.raw)
    assert torch.bincount(one.data.test.targets).tolist() == [2] * 10
    next_seed = build_run(digits_experiment(evaluation=few, run={"seed": 1}), CONTEXT)
    assert not torch.equal(one.data.test.raw, next_seed.data.test.raw)
    folder = RunFolder.create(tmp_path / "run")
    execute(one, folder)
    last = folder.read_rounds()[-1]
    assert last["accuracy"] * 20 == pytest.approx(round(last["accuracy"] * 20))
    assert set(last["per_class_accuracy"]) <= {0.0, 0.5, 1.0}


def test_the_test_samples_change_nothing_but_the_measurement(tmp_path: Path) -> None:
    folders = [RunFolder.create(tmp_path / name) for name in ("all", "few")]
    for folder, count in zip(folders, (0, 20), strict=True):
        run_it(digits_experiment(evaluation={"test_samples": count}), folder)
    assert folders[0].weights.read_bytes() == folders[1].weights.read_bytes()
    assert [r["loss"] for r in folders[0].read_rounds()] != [r["loss"] for r in folders[1].read_rounds()]


# --- late updates and shadows ---------------------------------------------------------------------------------------


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


def test_a_run_with_shadows_stopped_and_resumed_gives_the_same_records(tmp_path: Path) -> None:
    experiment = digits_experiment(evaluation={"shadows": SHADOWS})
    whole, halved = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "halved")
    run_it(experiment, whole)
    assert run_it(experiment, halved, **stop_after(5)) is None
    assert load_experiment(halved.config) == experiment
    run_it(load_experiment(halved.config), halved, resume=True)
    assert_same_run(whole, halved)


# --- bad input ------------------------------------------------------------------------------------------------------


def test_a_class_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"affected_class = 10: digits has classes 0 to 9"):
        build_run(digits_experiment(staleness={"affected_class": 10}), CONTEXT)


def test_more_late_clients_than_clients_where_the_partition_comes_from_a_file(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(run={"rounds": 1}), folder)
    partition = {"file": str(folder.partition)}
    with pytest.raises(InputError, match="late"):
        build_run(digits_experiment(partition=partition, staleness={"late_clients": 11}), CONTEXT)


def test_more_late_clients_than_clients() -> None:
    with pytest.raises(InputError, match="11 is more than there are clients"):
        digits_experiment(staleness={"late_clients": 11})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"method": "inversoin"}, 'unknown method "inversoin"; did you mean "inversion"'),
        ({"method": "weighted", "options": {"c": 1}}, 'options of method "weighted": .*c'),
        ({"evaluation": {"test_samples": -1}}, "evaluation.test_samples = -1 is not valid; valid: integer >= 0"),
        (
            {"evaluation": {"shadows": {"mine": {"name": "inversoin"}}}},
            'evaluation.shadows.mine: unknown method "inversoin"; did you mean "inversion"',
        ),
        (
            {"evaluation": {"shadows": {"two\nlines": {"name": "inversion", "options": {"sparsify": 1.0}}}}},
            'evaluation.shadows.two lines: options of method "inversion": sparsify = 1.0 is not valid; valid: number',
        ),
        ({"evaluation": {"shadows": {"mine": {}}}}, "evaluation.shadows.mine.name is missing"),
        (
            {"evaluation": {"shadows": {"mine": {"name": "unstale"}}}},
            "evaluation.shadows.mine: unstale estimates nothing; valid: a method that compensates late updates",
        ),
        ({"data": {"dataset": "digit"}}, "digits"),
        ({"model": {"name": "lenet5", "options": {}}}, "lenet"),
        ({"model": {"name": "mlp", "options": {"hidden": [0]}}}, "hidden"),
        ({"data": {"dataset": "mnist"}}, "no-data-needed"),
        (
            {"method": "fedbuff", "server": {"optimizer": "adam", "lr": 0.01}},
            'server.optimizer = "adam", server.lr = 0.01: the method fedbuff has a step of its own at the server',
        ),
    ],
)
def test_what_cannot_work_is_one_line_that_says_what_would(tables: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_run(digits_experiment(**tables), CONTEXT)
    assert "\n" not in str(caught.value)
