from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.config.loading import experiment_to_toml, load_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import InputError
from stalefl.data.partition_file import load_partition
from stalefl.records.run_data import read_run_data
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.setup import build_run
from stalefl.storage import load_weights
from stalefl.testing.observers import example_records
from tests.fixtures import METHODS, QUICK, digits_experiment
from tests.run.short_runs import CONTEXT, assert_same_run, run_it, stop_after


def cnn_experiment(method: str, **tables: Any) -> Experiment:
    return digits_experiment(method, model={"name": "cnn-digits", "options": {}}, **tables)


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
    early.append_round(example_records(1)[0])
    run_it(experiment, early, resume=True)
    assert_same_run(whole, early)


def test_a_run_killed_at_any_moment_resumes(tmp_path: Path) -> None:
    experiment = digits_experiment("w-pred", run={"rounds": 60, "checkpoint_every_rounds": 3})
    killed, whole = RunFolder.create(tmp_path / "killed"), RunFolder.create(tmp_path / "whole")
    (tmp_path / "experiment.toml").write_text(experiment_to_toml(experiment))
    program = (
        "import sys; from pathlib import Path; from stalefl.config.loading import load_experiment\n"
        "from stalefl.contracts import DataContext; from stalefl.run.execute import execute\n"
        "from stalefl.run.setup import build_run\n"
        "from stalefl.records.run_folder import RunFolder\n"
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


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_with_clients_that_use_adam_and_fedprox(method: str, tmp_path: Path) -> None:
    training = {"optimizer": "adam", "lr": 0.01, "proximal_mu": 0.1, "batch_size": 5}
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(method, training=training), folder)
    records = folder.read_rounds()
    assert records[-1]["loss"] < records[0]["loss"]
    assert not any(record["rejected_updates"] for record in records)


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


def test_the_test_samples_change_nothing_but_the_measurement(tmp_path: Path) -> None:
    folders = [RunFolder.create(tmp_path / name) for name in ("all", "few")]
    for folder, count in zip(folders, (0, 20), strict=True):
        run_it(digits_experiment(evaluation={"test_samples": count}), folder)
    assert folders[0].weights.read_bytes() == folders[1].weights.read_bytes()
    assert [r["loss"] for r in folders[0].read_rounds()] != [r["loss"] for r in folders[1].read_rounds()]


def test_a_run_with_shadows_stopped_and_resumed_gives_the_same_records(tmp_path: Path) -> None:
    shadow = {"name": "inversion", "options": {**QUICK["inversion"], "sparsify": 0.9}}
    experiment = digits_experiment(evaluation={"shadows": {'ten % [odd] "label"\n': shadow}})
    whole, halved = RunFolder.create(tmp_path / "whole"), RunFolder.create(tmp_path / "halved")
    run_it(experiment, whole)
    assert run_it(experiment, halved, **stop_after(5)) is None
    assert load_experiment(halved.config) == experiment
    run_it(load_experiment(halved.config), halved, resume=True)
    assert_same_run(whole, halved)
