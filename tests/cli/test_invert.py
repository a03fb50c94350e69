from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from stalefl.cli import main
from stalefl.cli.invert import invert_command
from stalefl.contracts import DataContext, InputError
from stalefl.inversion import recovery
from stalefl.records.comparison_folder import ComparisonFolder
from stalefl.records.inversion_folder import InversionFolder
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.setup import build_run
from stalefl.storage import load_weights, save_weights
from stalefl.updates.observed import from_run, open_run
from tests.fixtures import digits_experiment

app = typer.Typer(rich_markup_mode=None)
app.command()(invert_command)
LATE = ["--client", 5, "--round", 5]
PROGRAM = ["training.local_epochs=2", "training.lr=0.1", "training.momentum=0.5", "model.options.hidden=[12]"]
OWN = ["--model", "mlp", "--dataset", "digits", *(part for setting in PROGRAM for part in ("--set", setting))]


def invert(*arguments: object) -> str:
    """What the command prints on stdout. Raises what it raises."""
    return invert_with_stderr(*arguments)[0]


def invert_with_stderr(*arguments: object) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "run")
    execute(build_run(digits_experiment("inversion"), DataContext(folder.path)), folder)
    return folder


@pytest.fixture(scope="module")
def files(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The late update of round 5 as another system would have stored it."""
    folder = tmp_path_factory.mktemp("files")
    observed = from_run(open_run(run.path, None, DataContext(folder)), 5, 5)
    layout = observed.view.model.layout
    assert observed.truth is not None
    for name, vector in {"base": observed.update.base_weights, "now": observed.view.weights}.items():
        save_weights(folder / f"{name}.safetensors", layout.to_named(vector))
    for name, vector in {"delta": observed.update.delta, "truth": observed.truth}.items():
        np.savez(folder / f"{name}.npz", *(value.numpy() for value in layout.to_named(vector).values()))
    return folder


def of_files(files: Path) -> list[object]:
    return ["--base", files / "base.safetensors", "--update", files / "delta.npz", *OWN]


def test_an_update_of_a_run_with_the_options_of_its_method(run: RunFolder, tmp_path: Path) -> None:
    text = invert("--run", run.path, *LATE, "--out", tmp_path / "out")
    assert "the update of client 5 in round 5, 2 rounds late; mlp on digits" in text
    assert "2 epochs, full batch, sgd with lr 0.1, momentum 0.5; the client's samples: 10" in text
    assert "recovered: 4 samples in 4 iterations" in text
    assert "in the client's data: 5 100%" in text
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    for key in ("fit_error", "noise_error", "stale_error", "estimate_error", "anchored_estimate_error"):
        shown = rf"{result[key]['l1']:.3f} +{result[key]['cosine']:.3f}"
        assert re.search(shown, text), key
    assert InversionFolder(tmp_path / "out").written() == list(InversionFolder.FILES)
    for picture in ("recovered.png", "inversion.png"):
        assert np.asarray(Image.open(tmp_path / "out" / picture).convert("L")).std() > 10


def test_files_give_what_the_run_gives(run: RunFolder, files: Path, tmp_path: Path) -> None:
    options = ["--iterations", 5, "--size", 4, "--sparsify", 0.5, "--no-surface", "--json"]
    ours = json.loads(invert("--run", run.path, *LATE, *options, "--out", tmp_path / "a"))
    known = ["--current", files / "now.safetensors", "--truth", files / "truth.npz", "--samples", 10]
    theirs = json.loads(invert(*of_files(files), *known, *options, "--out", tmp_path / "b"))
    for key in ("first_loss", "last_loss", "label_shares", "stale_error", "estimate_error", "training", "samples"):
        assert ours[key] == theirs[key], key
    assert (theirs["client"], theirs["true_label_shares"]) == (None, None)
    a, b = (load_weights(tmp_path / name / "recovered.safetensors") for name in "ab")
    assert torch.equal(a["inputs"], b["inputs"])
    assert torch.equal(a["labels"], b["labels"])


def test_errors_relative_to_next_to_nothing_are_remarked_on(files: Path, tmp_path: Path) -> None:
    with np.load(files / "delta.npz") as delta:
        np.savez(tmp_path / "truth.npz", *(0.01 * value for value in delta.values()))
    known = ["--current", files / "now.safetensors", "--iterations", 1, "--size", 2, "--no-surface"]
    text = invert(*of_files(files), *known, "--truth", tmp_path / "truth.npz", "--out", tmp_path / "a")
    assert "99.000" in text
    assert "the true update of today is 0.01 of the late one's size" in text
    text = invert(*of_files(files), *known, "--truth", files / "truth.npz", "--out", tmp_path / "b")
    assert "of the late one's size" not in text


def test_every_part_of_the_local_program_is_named(files: Path, tmp_path: Path) -> None:
    adam = ["--set", "training.optimizer=adam", "--set", "training.lr=0.01", "--set", "training.proximal_mu=0.1"]
    quick = ["--iterations", 1, "--size", 2, "--no-surface", "--out", tmp_path / "out"]
    text = invert(*of_files(files), *quick, *adam)
    assert "2 epochs, full batch, adam with lr 0.01, proximal mu 0.1; the client's samples: unknown" in text
    training = json.loads((tmp_path / "out" / "result.json").read_text())["training"]
    assert (training["optimizer"], training["proximal_mu"]) == ("adam", 0.1)


def test_a_fit_that_explains_little_is_warned_of(files: Path, tmp_path: Path) -> None:
    small_steps = ["--set", "training.lr=0.0001", "--size", 2, "--iterations", 2, "--no-surface"]
    result, warnings = invert_with_stderr(*of_files(files), *small_steps, "--json", "--out", tmp_path / "out")
    assert json.loads(result)["explained"] is False
    assert "warning: D_rec explains little of the update (relative L1 error 1.00): labels, pictures" in warnings
    assert "Is the local program right (--set training...), is --update-is right?" in warnings
    assert "no --set training" not in warnings


def test_a_good_fit_is_not_warned_of_and_the_assumed_program_is(files: Path, tmp_path: Path) -> None:
    bare = [*of_files(files)[:4], "--model", "mlp", "--dataset", "digits", "--set", "model.options.hidden=[12]"]
    enough = ["--size", 6, "--iterations", 100, "--no-surface", "--json", "--out", tmp_path / "out"]
    result, warnings = invert_with_stderr(*bare, *enough)
    assert json.loads(result)["explained"] is True
    assert "explains little" not in warnings
    assert (
        "warning: no --set training.KEY=VALUE: the client is taken to have run 2 epochs, full batch, sgd with lr 0.1, "
        "momentum 0.8" in warnings
    )


def test_flags_win_over_set_and_set_over_the_run(run: RunFolder, tmp_path: Path) -> None:
    common = ["--run", run.path, *LATE, "--no-surface", "--json", "--set", "method.options.iterations=3"]
    first = json.loads(invert(*common, "--out", tmp_path / "a"))
    second = json.loads(invert(*common, "--iterations", 2, "--seed", 7, "--size", "auto", "--out", tmp_path / "b"))
    assert (first["iterations"], first["size"]) == (3, 4)
    assert (second["iterations"], second["size"]) == (2, 32)
    assert first["first_loss"] != second["first_loss"]


def test_a_new_folder_is_made_and_nothing_is_said_when_quiet(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invert("--run", run.path, *LATE, "--no-surface", "--quiet") == ""
    (place,) = (tmp_path / "runs").iterdir()
    assert place.name.startswith("invert-client-5-round-5-")
    assert (place / "result.json").is_file()


def test_an_existing_folder_is_only_replaced_when_told_to(run: RunFolder, files: Path, tmp_path: Path) -> None:
    quick = ["--iterations", 1, "--size", 1, "--no-surface", "-q", "--out", tmp_path / "out"]
    invert("--run", run.path, *LATE, *quick)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"out exists and is not empty; .*--force"):
        invert(*of_files(files), *quick)
    invert(*of_files(files), *quick, "--force")
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["inversion.png", "notes.txt", "recovered.png", "recovered.safetensors", "result.json"]
    with pytest.raises(InputError, match="holds no inversion"):
        invert(*of_files(files), *quick[:-1], files, "--force")


def test_interrupted_it_leaves_nothing_behind(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(recovery, "fit_data", interrupted)
    arguments = ["invert", "--run", run.path, *LATE, "--out", tmp_path / "out"]
    assert main([str(argument) for argument in arguments]) == 130
    assert capsys.readouterr().err.endswith("\nstopped; nothing was written\n")
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_clear_line(run: RunFolder, files: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    ComparisonFolder.create(tmp_path / "c", ["weighted"], [3])
    of_run = ["--run", run.path]
    cases: dict[str, Sequence[object]] = {
        "no update is named; valid: --run": [],
        "--round is missing": [*of_run, "--client", 5],
        "--update is missing": ["--base", files / "base.safetensors"],
        "--base is missing": ["--update", files / "delta.npz"],
        "--client does not go with files": [*of_files(files), "--client", 3],
        "--model does not go with --run": [*of_run, *LATE, "--model", "mlp"],
        "--truth does not go with --run": [*of_run, *LATE, "--truth", "x"],
        "beside --run only method.options": [*of_run, *LATE, "--set", "training.lr=1"],
        "beside --run only method.options.KEY": [*of_run, *LATE, "--set", "method.options=3"],
        "--update-is new: not valid; valid: delta, weights": [*of_files(files), "--update-is", "new"],
        'unknown "iterashuns"': [*of_run, *LATE, "--set", "method.options.iterashuns=3"],
        "sparsify = 1.0 is not valid": [*of_run, *LATE, "--sparsify", 1],
        'size = "many" is not valid': [*of_files(files), "--size", "many"],
        "--round 7: the run has rounds 1 to 6": [*of_run, "--client", 5, "--round", 7],
        "--client 10: the run has clients 0 to 9": [*of_run, "--client", 10, "--round", 5],
        "valid: .*weighted/seed-3": ["--run", tmp_path / "c", *LATE],
        "is not a run folder": ["--run", files, *LATE],
        "weights file no does not exist": ["--base", "no", "--update", files / "delta.npz", *OWN],
        "has shape": [*of_files(files), "--set", "model.options.hidden=[3]"],
        "the update is zero": [*of_files(files), "--update", files / "base.safetensors", "--update-is", "weights"],
        "--samples is missing": [*of_files(files), "--set", "training.batch_size=4"],
        "--truth is the update from today's model": [*of_files(files), "--truth", files / "truth.npz"],
        "--set training.clients_per_round: says nothing": [*of_files(files), "--set", "training.clients_per_round=2"],
        "--set staleness.rounds: says nothing .*; valid: data, ": [*of_files(files), "--set", "staleness.rounds=2"],
        "--set method.name: says nothing": [*of_files(files), "--set", "method.name=inversion"],
        "training.lr = 0 is not valid": [*of_files(files), "--set", "training.lr=0"],
    }
    for message, arguments in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            invert(*arguments)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()
