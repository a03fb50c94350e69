from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stalefl.config.schema import MethodTable
from stalefl.contracts import DataContext, InputError
from stalefl.inversion.recovery import RecoveryOptions
from stalefl.records.inversion_folder import InversionFolder
from stalefl.run.setup import build_run
from stalefl.storage import load_weights, save_weights
from stalefl.updates.invert import document, invert, recovery_options, run_options, surface_points, surfaces, write
from stalefl.updates.observed import Observed, UpdateFiles, from_files, from_run
from tests.fixtures import digits_experiment

QUICK = RecoveryOptions(size=6, iterations=30)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """The update of the late client of class 5 in round 5."""
    return from_run(build_run(digits_experiment(), DataContext(tmp_path_factory.mktemp("data"))), 5, 5)


@pytest.fixture(scope="module")
def on_time(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    return from_run(build_run(digits_experiment(), DataContext(tmp_path_factory.mktemp("data"))), 0, 1)


def test_the_recovered_data_explain_the_update_and_noise_does_not(late: Observed) -> None:
    result = document(invert(late, QUICK, seed=0))
    assert result["last_loss"] < 0.3 * result["first_loss"]
    assert result["fit_error"]["cosine"] < 0.2 < result["noise_error"]["cosine"]
    assert result["explained"] is True
    assert result["true_label_shares"] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert sum(result["label_shares"]) == pytest.approx(1)
    assert max(range(10), key=lambda label: result["label_shares"][label]) == 5
    assert (result["client"], result["round"], result["staleness_rounds"], result["samples"]) == (5, 5, 2, 10)
    assert (result["size"], result["iterations"]) == (6, 30)


def test_the_fit_of_an_update_by_another_program_explains_little(late: Observed) -> None:
    training = replace(late.view.training, lr=1e-4)
    result = document(invert(replace(late, view=replace(late.view, training=training)), QUICK, seed=0))
    assert result["fit_error"]["l1"] > 0.5
    assert result["explained"] is False


def test_the_anchored_estimate_keeps_what_persists_of_what_is_not_explained(late: Observed) -> None:
    """As the method ``anchored-inversion`` does before it has learned anything."""
    inverted = invert(late, QUICK, seed=0)
    assert late.truth is not None
    halved = replace(inverted, estimate=0.5 * inverted.explained)
    assert halved.anchored is not None
    torch.testing.assert_close(halved.anchored, 0.5 * late.update.delta)
    found = document(halved)["anchored_estimate_error"]["l1"]
    assert found == pytest.approx(float((halved.anchored - late.truth).abs().sum() / late.truth.abs().sum()))


def test_an_update_on_time_has_no_estimate(on_time: Observed, tmp_path: Path) -> None:
    inverted = invert(on_time, QUICK, seed=0)
    folder = InversionFolder(tmp_path / "out")
    folder.make()
    result = write(inverted, {}, folder)
    assert [result[key] for key in ("stale_error", "estimate_error", "anchored_estimate_error")] == [None] * 3
    assert result["staleness_rounds"] == 0
    assert not folder.estimate.exists()


def test_the_seed_names_the_start(late: Observed) -> None:
    one, again, other = (invert(late, QUICK, seed).data.inputs for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_files_give_the_same_recovered_data(late: Observed, tmp_path: Path) -> None:
    layout = late.view.model.layout
    save_weights(tmp_path / "base.safetensors", layout.to_named(late.update.base_weights))
    save_weights(tmp_path / "update.safetensors", layout.to_named(late.update.delta))
    files = UpdateFiles(tmp_path / "base.safetensors", tmp_path / "update.safetensors", samples=10)
    ours = invert(late, QUICK, seed=0)
    theirs = invert(from_files(late.experiment, files, DataContext(tmp_path)), QUICK, seed=0)
    assert torch.equal(theirs.data.inputs, ours.data.inputs)
    assert torch.equal(theirs.data.labels, ours.data.labels)
    assert theirs.recovery.fit.losses == ours.recovery.fit.losses
    result = document(theirs)
    assert result["label_shares"] == document(ours)["label_shares"]
    unknown = ("client", "round", "staleness_rounds", "stale_error", "estimate_error", "true_label_shares")
    assert [result[key] for key in unknown] == [None] * len(unknown)


def test_surfaces_of_the_recovered_data_are_like_the_clients(late: Observed) -> None:
    inverted = invert(late, QUICK, seed=0)
    told: list[int] = []
    found = surfaces(inverted, told.append)
    assert list(found) == ["the client's data", "D_rec", "noise"]
    assert told == list(range(1, surface_points(late) + 1))
    true, recovered, noise = (surface.losses - surface.losses[7, 7] for surface in found.values())
    assert (recovered - true).norm() < 0.5 * (noise - true).norm()
    assert found["D_rec"].descent[0] > 0.8


def test_all_is_written_and_read_back(late: Observed, tmp_path: Path) -> None:
    inverted = invert(late, QUICK, seed=0)
    folder = InversionFolder(tmp_path / "out")
    folder.make()
    result = write(inverted, surfaces(inverted), folder)
    assert json.loads(folder.result.read_text()) == result
    assert folder.written() == list(InversionFolder.FILES)
    recovered = load_weights(folder.recovered)
    assert torch.equal(recovered["inputs"], inverted.data.inputs)
    assert torch.equal(recovered["labels"], inverted.data.labels)
    assert inverted.estimate is not None
    estimate = late.view.model.layout.from_named(load_weights(folder.estimate))
    assert torch.equal(estimate, inverted.estimate)


def test_options_of_the_runs_method_that_the_recovery_knows() -> None:
    inversion = MethodTable(name="inversion", options={"iterations": 7, "switch_back": False})
    assert run_options(inversion) == {"iterations": 7}
    assert run_options(MethodTable(name="weighted", options={"a": 1.0})) == {}
    assert recovery_options({"recipe": "published"}).size == 256


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"iterations": 0}, "iterations = 0 is not valid; valid: integer > 0"),
        ({"sparsify": 1.0}, "sparsify = 1.0 is not valid"),
        ({"size": "huge"}, 'size = "huge" is not valid'),
        ({"switch_back": True}, 'unknown "switch_back"'),
    ],
)
def test_options_that_are_not_valid(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        recovery_options(values)
    assert said in str(caught.value)
