from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.contracts import DataContext, InputError
from stalefl.records.comparison_folder import ComparisonFolder
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.setup import build_run
from stalefl.simulation.oracle import update_error
from stalefl.storage import save_weights
from stalefl.updates.observed import UpdateFiles, check_arrival, from_files, from_run, open_run
from tests.fixtures import digits_experiment

LATE_CLIENT = 5


@pytest.fixture(scope="module", params=["unweighted", "inversion", "w-pred"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "run")
    execute(build_run(digits_experiment(request.param), DataContext(folder.path)), folder)
    return folder


@pytest.fixture(scope="module")
def half_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Half of the clients take part in a round, chosen in turn."""
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "half")
    training = {"clients_per_round": 5, "selection": "round-robin"}
    execute(build_run(digits_experiment(training=training), DataContext(folder.path)), folder)
    return folder


def opened(folder: RunFolder) -> Any:
    return open_run(folder.path, None, DataContext(folder.path))


def test_a_replay_has_the_update_whose_errors_the_oracle_recorded(run: RunFolder) -> None:
    done: list[int] = []
    observed = from_run(opened(run), LATE_CLIENT, 6, run.read_rounds(), done.append)
    (late,) = run.read_rounds()[5]["late_updates"]
    assert observed.truth is not None
    error = update_error(observed.update.delta, observed.truth)
    assert {"l1": error.l1, "cosine": error.cosine} == late["stale_error"]
    assert done == [1, 2, 3, 4, 5, 6]
    assert observed.arrived == (LATE_CLIENT, 6, 2)
    assert observed.update.samples == 10
    assert observed.client_data is not None
    assert observed.client_data[1].tolist() == [5] * 10


def test_a_replay_that_is_the_run_is_not_warned_of(run: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "stalefl")
    records = run.read_rounds()
    from_run(opened(run), 0, 2, records)
    assert caplog.text == ""
    from_run(opened(run), 0, 2, [{**records[0], "loss": records[0]["loss"] + 1e-6}])
    assert "not bit for bit the run" in caplog.text


def test_an_update_on_time_started_from_todays_model(run: RunFolder) -> None:
    observed = from_run(opened(run), 0, 1)
    assert observed.arrived == (0, 1, 0)
    assert observed.truth is None
    assert not observed.current_known
    assert torch.equal(observed.view.weights, observed.update.base_weights)


@pytest.mark.parametrize(
    ("client", "round", "said"),
    [
        (0, 0, "--round 0: the run has rounds 1 to 6"),
        (0, 7, "the run has rounds 1 to 6"),
        (10, 1, "--client 10: the run has clients 0 to 9"),
        (-1, 1, "--client -1"),
        (0, 2, "no update of client 0 arrives in round 2; the nearest rounds in which one does: 1, 3, 5"),
    ],
)
def test_what_never_arrived_is_told_with_what_did(half_run: RunFolder, client: int, round: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_arrival(opened(half_run), client, round)


def test_a_client_that_never_takes_part(tmp_path: Path) -> None:
    training = {"clients_per_round": 3, "selection": "round-robin"}
    run = build_run(digits_experiment(training=training, run={"rounds": 2}), DataContext(tmp_path))
    with pytest.raises(InputError, match="it never takes part; clients whose update arrives then: 3, 4"):
        check_arrival(run, 9, 2)


def test_folders_that_are_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        open_run(tmp_path, None, DataContext(tmp_path))
    ComparisonFolder.create(tmp_path / "c", ["weighted"], [3])
    with pytest.raises(InputError, match="valid: .*weighted/seed-3"):
        open_run(tmp_path / "c", None, DataContext(tmp_path))


def test_an_update_of_a_diverged_training_is_refused(tmp_path: Path) -> None:
    run = build_run(digits_experiment(training={"lr": 1e30}), DataContext(tmp_path))
    with pytest.raises(InputError, match="the update of client 0 in round 1 is not finite"):
        from_run(run, 0, 1)


# --- files ----------------------------------------------------------------------------------------------------------


def files_of(run: RunFolder, folder: Path, **other: Any) -> tuple[Any, UpdateFiles]:
    """The late update of round 6 and its files."""
    observed = from_run(opened(run), LATE_CLIENT, 6)
    layout = observed.view.model.layout
    vectors = {
        "base": observed.update.base_weights,
        "update": observed.update.delta,
        "current": observed.view.weights,
        "truth": observed.truth,
    }
    for name, vector in vectors.items():
        save_weights(folder / f"{name}.safetensors", layout.to_named(vector))
    paths: dict[str, Any] = {name: folder / f"{name}.safetensors" for name in vectors}
    return observed, UpdateFiles(**{**paths, "samples": 10, **other})


def test_files_give_what_the_run_gives(half_run: RunFolder, tmp_path: Path) -> None:
    original, files = files_of(half_run, tmp_path)
    observed = from_files(original.experiment, files, DataContext(tmp_path))
    assert torch.equal(observed.update.base_weights, original.update.base_weights)
    assert torch.equal(observed.update.delta, original.update.delta)
    assert torch.equal(observed.view.weights, original.view.weights)
    assert torch.equal(observed.truth, original.truth)  # type: ignore[arg-type]
    assert observed.current_known
    assert observed.samples_known
    assert (observed.arrived, observed.client_data) == (None, None)
    assert (observed.from_elsewhere, original.from_elsewhere) == (True, False)


def test_the_clients_data_tell_how_many_samples_it_has(half_run: RunFolder, tmp_path: Path) -> None:
    original, files = files_of(half_run, tmp_path, samples=None, client_data=tmp_path / "data.safetensors")
    save_weights(tmp_path / "data.safetensors", dict(zip(("inputs", "targets"), original.client_data, strict=True)))
    on_batches = digits_experiment(training={"batch_size": 4})
    observed = from_files(on_batches, files, DataContext(tmp_path))
    assert (observed.update.samples, observed.samples_known) == (10, True)
    assert torch.equal(observed.client_data[0], original.client_data[0])  # type: ignore[index]
    with pytest.raises(InputError, match=r"--samples 9: .*data.safetensors has 10; valid: leave --samples out"):
        from_files(on_batches, files._replace(samples=9), DataContext(tmp_path))


def test_without_a_current_model_the_base_stands_for_it(half_run: RunFolder, tmp_path: Path) -> None:
    original, files = files_of(half_run, tmp_path, current=None, truth=None, samples=None)
    observed = from_files(original.experiment, files, DataContext(tmp_path))
    assert not observed.current_known
    assert not observed.samples_known
    assert torch.equal(observed.view.weights, original.update.base_weights)


@pytest.mark.parametrize(
    ("other", "batch_size", "said"),
    [
        ({"samples": 0}, 0, "--samples 0: not valid; valid: integer > 0"),
        ({"samples": None}, 4, "--samples is missing: with training.batch_size = 4"),
        ({"current": None}, 0, "give that one too, as --current"),
    ],
)
def test_what_is_missing_is_named(
    half_run: RunFolder, tmp_path: Path, other: dict[str, Any], batch_size: int, said: str
) -> None:
    _, files = files_of(half_run, tmp_path, **other)
    with pytest.raises(InputError, match=said):
        from_files(digits_experiment(training={"batch_size": batch_size}), files, DataContext(tmp_path))


def test_weights_given_as_a_difference_are_warned_of(
    half_run: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "stalefl")
    original, files = files_of(half_run, tmp_path)
    from_files(original.experiment, files, DataContext(tmp_path))
    assert caplog.text == ""
    from_files(original.experiment, files._replace(update=files.current), DataContext(tmp_path))
    assert "say --update-is weights" in caplog.text


def test_a_base_that_is_not_the_updates_is_warned_of(
    half_run: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "stalefl")
    original, files = files_of(half_run, tmp_path)
    named = original.view.model.layout.to_named
    new, other = tmp_path / "new.safetensors", tmp_path / "other.safetensors"
    save_weights(new, named(original.update.base_weights + original.update.delta))
    save_weights(other, named(original.update.base_weights.flip(0)))
    from_files(original.experiment, files._replace(update=new, update_is="weights"), DataContext(tmp_path))
    assert caplog.text == ""
    wrong = files._replace(base=other, update=new, update_is="weights", truth=None)
    from_files(original.experiment, wrong, DataContext(tmp_path))
    assert "may not be the weights the client was given" in caplog.text


def test_client_data_that_do_not_give_the_update_are_warned_of(
    half_run: RunFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "stalefl")
    original, files = files_of(half_run, tmp_path)
    inputs, targets = original.client_data
    own, others = tmp_path / "own.safetensors", tmp_path / "others.safetensors"
    save_weights(own, {"inputs": inputs, "targets": targets})
    save_weights(others, {"inputs": inputs, "targets": (targets + 3) % 10})
    observed = from_files(original.experiment, files._replace(client_data=own), DataContext(tmp_path))
    assert caplog.text == ""
    assert torch.equal(observed.client_data[1], targets)  # type: ignore[index]
    from_files(original.experiment, files._replace(client_data=others), DataContext(tmp_path))
    assert "gives another update" in caplog.text
