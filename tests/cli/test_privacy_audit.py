from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stalefl.audit import attempts
from stalefl.cli import main
from stalefl.contracts import DataContext
from stalefl.records.audit_folder import AuditFolder
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.setup import build_run
from stalefl.storage import save_weights
from stalefl.updates.observed import from_run, open_run
from tests.fixtures import digits_experiment

NET = ["--set", "model.options.hidden=[12]"]
QUICK = ["--attack", "idlg", "--set", "audit.options.idlg.iterations=7"]
OF_DIGITS = ["--dataset", "digits", "--model", "mlp", *NET, *QUICK]
SPOT = [*OF_DIGITS, "--cases", 2, "--sparsify", 0]
HERE = ["--jobs", 1, "--device", "cpu"]


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Command:
    """``stalefl privacy-audit`` as a user has it: an exit code, stdout and stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: object) -> Printed:
        self.capsys.readouterr()
        code = main(["privacy-audit", *map(str, arguments)])
        return Printed(code, *self.capsys.readouterr())


@pytest.fixture
def audit(user_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("XDG_CACHE_HOME", str(user_cache))
    return Command(capsys)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "run")
    described = digits_experiment(partition={"samples_per_client": 1}, training={"local_epochs": 1, "momentum": 0.0})
    execute(build_run(described, DataContext(folder.path)), folder)
    return folder


@pytest.fixture(scope="module")
def files(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The update of client 4 in round 2, of which most entries are not 0, as another system would have stored it, and
    its samples."""
    folder = tmp_path_factory.mktemp("files")
    observed = from_run(open_run(run.path, None, DataContext(folder)), 4, 2)
    layout = observed.view.model.layout
    save_weights(folder / "base.safetensors", layout.to_named(observed.update.base_weights))
    for name, delta in {
        "delta": observed.update.delta,
        "nan": torch.full_like(observed.update.delta, float("nan")),
        "zero": torch.zeros_like(observed.update.delta),
        "sparse": torch.where(torch.arange(len(observed.update.delta)) % 10 == 0, 0.1, 0.0),
    }.items():
        np.savez(folder / f"{name}.npz", *(value.numpy() for value in layout.to_named(delta).values()))
    assert observed.client_data is not None
    inputs, targets = (part.numpy() for part in observed.client_data)
    np.savez(folder / "data.npz", inputs=inputs, targets=targets)
    np.savez(folder / "bytes.npz", inputs=np.arange(0, 256, 4).reshape(inputs.shape), targets=targets)
    np.savez(folder / "two.npz", inputs=np.repeat(inputs, 2, 0), targets=np.repeat(targets, 2, 0))
    (folder / "text.safetensors").write_text("this is no safetensors file")
    return folder


def of_files(files: Path, update: str = "delta") -> list[object]:
    program = ["--set", "training.local_epochs=1", "--set", "training.lr=0.1", "--set", "training.momentum=0"]
    return ["--base", files / "base.safetensors", "--update", files / f"{update}.npz", *OF_DIGITS, *program]


# --- what is audited ------------------------------------------------------------------------------------------------


def test_updates_made_on_the_spot(audit: Command, tmp_path: Path) -> None:
    folder = AuditFolder(tmp_path / "out")
    printed = audit(*SPOT, "--sparsify", 0.95, *HERE, "--out", folder.path)
    assert printed.code == 0
    for said in ("idlg         none ", "idlg         sparsify=0.95 ", " (noise) ", " (strangers) ", "none: samples "):
        assert said in printed.out, said
    assert f"page: {folder.page}" in printed.out
    assert "attacking (4 attempts): 100%" in printed.err
    result = json.loads(folder.result.read_text())
    assert [case["title"] for case in result["cases"]] == ["client 0", "client 1"]
    assert (result["training"]["local_epochs"], result["training"]["batch_size"]) == (1, 0)
    assert sorted(path.name for path in folder.path.iterdir()) == sorted(
        [*AuditFolder.FILES, "attempts", "recovered-idlg.png"]
    )


def test_shares_and_variances_are_combined(audit: Command, tmp_path: Path) -> None:
    printed = audit(
        *[*OF_DIGITS, "--cases", 1, "--sparsify", 0, "--sparsify", 0.9, "--noise", 0, "--noise", "1e-3"],
        *[*HERE, "--json", "-q", "--out", tmp_path / "out"],
    )
    assert list(printed.document["defences"]) == ["none", "noise=0.001", "sparsify=0.9", "sparsify=0.9, noise=0.001"]


def test_the_local_program_is_what_is_said(audit: Command, tmp_path: Path) -> None:
    def program(*arguments: object) -> tuple[int, int]:
        printed = audit(*SPOT, "--cases", 1, *HERE, "--json", "-q", "--force", "--out", tmp_path / "out", *arguments)
        assert printed.code == 0, printed.err
        training = printed.document["training"]
        return training["local_epochs"], training["batch_size"]

    assert program("--local-steps", 3) == (3, 0)
    assert program("--set", "training.local_epochs=2") == (2, 0)
    assert program("--set", "training.batch_size=4") == (1, 4)
    assert program("--set", "training.batch_size=4", "--local-steps", 2) == (2, 0)


def test_an_update_of_a_run_and_of_the_files_it_would_have_left(
    audit: Command, run: RunFolder, files: Path, tmp_path: Path
) -> None:
    common = ["--defence", "none", "--seed", 3, *HERE, "--json", "-q"]
    of_run = ["--run", run.path, "--client", 4, "--round", 2, *QUICK]
    ours = audit(*of_run, *common, "--out", tmp_path / "a").document
    theirs = audit(*of_files(files), *common, "--client-data", files / "data.npz", "--out", tmp_path / "b").document
    assert [case["title"] for case in ours["cases"]] == ["client 4, round 2, on time"]
    assert [case["title"] for case in theirs["cases"]] == ["the update"]
    (mine,), (other,) = ours["cells"], theirs["cells"]
    assert mine["metrics"]["pairs"] == 1
    assert {**mine, "seconds": 0} == {**other, "seconds": 0}
    assert ours["references"] == theirs["references"]


def test_files_without_their_samples_give_pictures_and_no_verdict(audit: Command, files: Path, tmp_path: Path) -> None:
    printed = audit(*of_files(files, "sparse"), "--defence", "none", *HERE, "--out", tmp_path / "out")
    assert printed.code == 0
    assert "none: samples unknown (" in printed.out
    assert "warning: no --samples: the client is taken to have one sample" in printed.err
    assert "warning: 90% of the update are zeros: they are taken for entries that were not sent" in printed.err
    assert AuditFolder(tmp_path / "out").picture("idlg").is_file()
    told = audit(*of_files(files), "--samples", 1, "--defence", "none", *HERE, "--out", tmp_path / "told")
    assert "warning" not in told.err


def test_the_data_of_a_client_tell_how_many_samples_it_has(audit: Command, files: Path, tmp_path: Path) -> None:
    data = ["--client-data", files / "two.npz", "--attack", "dlg", "--set", "audit.options.dlg.iterations=3"]
    printed = audit(*of_files(files), *data, "--defence", "none", *HERE, "--out", tmp_path / "out")
    assert printed.code == 0
    assert "not made: the client trains on 2 samples" in printed.out
    assert "no --samples" not in printed.err


def test_an_experiment_file_says_what_is_done(audit: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[model]\nname = "mlp"\noptions = {hidden = [12]}\n[training]\nlocal_epochs = 3\nlr = 0.02\n'
        '[audit]\nattacks = ["idlg"]\ndefences = ["clip=1, gaussian=2"]\ncases = 1\n'
        "[audit.options.idlg]\niterations = 7\n[run]\njobs = 1\n"
    )
    printed = audit(path, "--out", tmp_path / "a")
    assert printed.code == 0
    assert "clip=1, gaussian=2: one update is (epsilon " in printed.out
    result = json.loads(AuditFolder(tmp_path / "a").result.read_text())
    assert (result["training"]["local_epochs"], result["training"]["lr"]) == (3, 0.02)
    assert (list(result["defences"]), len(result["cases"])) == (["clip=1, gaussian=2"], 1)
    flags = ["--defence", "none", "--cases", 2, "--local-steps", 1]
    changed = audit(path, *flags, "--json", "-q", "--out", tmp_path / "b").document
    assert (changed["training"]["local_epochs"], changed["training"]["lr"]) == (1, 0.02)
    assert (list(changed["defences"]), len(changed["cases"])) == (["none"], 2)


# --- what is printed, and exit codes --------------------------------------------------------------------------------


def test_json_is_one_document_and_nothing_else(audit: Command, tmp_path: Path) -> None:
    printed = audit(*SPOT, *HERE, "--json", "--out", tmp_path / "a")
    assert printed.document == json.loads(AuditFolder(tmp_path / "a").result.read_text())
    assert printed.err
    quiet = audit(*SPOT, *HERE, "--json", "-q", "--out", tmp_path / "b")
    assert quiet.err == ""
    assert audit(*SPOT, *HERE, "-q", "--out", tmp_path / "c") == Printed(0, "", "")


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "cells": [{**cell, "seconds": 0} for cell in result["cells"]]}


def test_the_same_seed_gives_the_same_and_another_another(audit: Command, tmp_path: Path) -> None:
    def result(place: str, *arguments: object) -> dict[str, Any]:
        found = audit(*SPOT, *HERE, "--json", "-q", "--out", tmp_path / place, *arguments)
        return without_seconds(found.document)

    assert result("a") == result("b")
    assert result("a", "--force", "--seed", 1)["cells"] != result("b", "--force")["cells"]


def test_a_condition_that_is_met_ends_with_3_and_names_the_cell(audit: Command, tmp_path: Path) -> None:
    conditions = ["--fail-if", "mse>=0", "--fail-if", "psnr>100", "--fail-if", "token_accuracy>0.5"]
    printed = audit(*SPOT, *HERE, *conditions, "--json", "-q", "--out", tmp_path / "out")
    assert printed.code == 3
    met, unanswered = printed.err.splitlines()
    assert met.startswith("condition met: idlg under none: mse is 0.")
    assert met.endswith(", which is mse>=0")
    assert unanswered == "condition not answered: no cell has a value for token_accuracy>0.5"
    assert len(printed.document["violations"]) == 1


def test_stopped_it_shows_what_there_is_and_can_be_gone_on_with(
    audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert audit(*SPOT, *HERE, "-q", "--out", whole).code == 0
    make = attempts.make_attempt

    def once(attempt: Any, report: Any, should_stop: Any) -> bool | None:
        done = make(attempt, report, should_stop)
        raise KeyboardInterrupt if done else AssertionError

    monkeypatch.setattr(attempts, "make_attempt", once)
    stopped = audit(*SPOT, *HERE, "--out", out)
    assert stopped.code == 130
    assert stopped.err.endswith(f"stopped; go on with: stalefl privacy-audit --resume {out}\n")
    assert "1 of 2 clients so far" in stopped.out
    monkeypatch.undo()
    resumed = audit("--resume", out, "--json", "-q", *HERE)
    assert resumed.code == 0
    results = [json.loads(AuditFolder(place).result.read_text()) for place in (out, whole)]
    assert without_seconds(results[0]) == without_seconds(results[1])


def test_new_conditions_may_be_put_to_an_audit_that_is_done(audit: Command, tmp_path: Path) -> None:
    audit(*SPOT, *HERE, "-q", "--out", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("case-*")}
    printed = audit("--resume", tmp_path / "out", "-q", "--fail-if", "mse>=0")
    assert printed.code == 3
    assert "condition met: idlg under none" in printed.err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("case-*")} == before


def test_an_audit_is_only_replaced_when_told_to(audit: Command, tmp_path: Path) -> None:
    again = [*SPOT, *HERE, "-q", "--out", tmp_path / "out"]
    audit(*again)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    refused = audit(*again)
    assert refused.code == 2
    assert "exists and is not empty; valid: a new folder, or --force to replace the audit in it" in refused.err
    assert audit(*again, "--force", "--defence", "none", "--seed", 1).code == 2
    assert audit(*again, "--force", "--cases", 1, "--seed", 1).code == 0
    assert len(list((tmp_path / "out").rglob("case-*"))) == 1
    assert (tmp_path / "out" / "notes.txt").is_file()


# --- bad input ------------------------------------------------------------------------------------------------------


def test_bad_input_is_one_clear_line_and_nothing_is_written(
    audit: Command, run: RunFolder, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.toml").write_text("[audit]\nsamplez = 3\n")
    of_run: Sequence[object] = ["--run", run.path, "--client", 4, "--round", 2]
    net = "training.lr=0.1"
    cases: dict[str, Sequence[object]] = {
        'unknown attack "guess"; valid: ': [*SPOT, "--attack", "guess"],
        'audit.attacks names "idlg" twice': [*SPOT, "--attack", "idlg"],
        'condition "psnr=3" is not valid; valid: METRIC, one of >, >=': [*SPOT, "--fail-if", "psnr=3"],
        'condition "loudness>3": unknown metric "loudness"; valid: ': [*SPOT, "--fail-if", "loudness>3"],
        'defence "shout=3": "shout=3" is not valid; valid: ': [*OF_DIGITS, "--defence", "shout=3"],
        'defence "sparsify=1": "sparsify=1" is not valid': [*OF_DIGITS, "--sparsify", 1],
        'defence "noise=-1": "noise=-1" is not valid': [*OF_DIGITS, "--noise", -1],
        "--defence does not go with --sparsify": [*SPOT, "--defence", "none"],
        "--local-steps": [*SPOT, "--local-steps", "x"],
        "training.local_epochs = 0 is not valid": [*SPOT, "--local-steps", 0],
        "audit.cases = 0 is not valid": [*SPOT, "--cases", 0],
        "audit.cases = 2 of audit.samples = 5000 are 10000 samples": [*SPOT, "--samples", 5000],
        "none of the attacks can be made on this update (idlg: ": [*SPOT, "--samples", 2],
        "weights file no does not exist": [*SPOT, "--weights", "no"],
        "--lpips-weights no does not exist": [*SPOT, "--lpips-weights", "no"],
        'unknown "audit.samplez"; did you mean "samples"?': ["wrong.toml"],
        # one source only
        "EXPERIMENT does not go with --run": ["wrong.toml", *of_run],
        "--cases does not go with --run": [*of_run, "--cases", 2],
        "--model does not go with --run": [*of_run, "--model", "mlp"],
        "--base does not go with --run": [*of_run, "--base", files / "base.safetensors"],
        "--weights does not go with files": [*of_files(files), "--weights", files / "base.safetensors"],
        "--client does not go with files": [*of_files(files), "--client", 3],
        "--set training.lr=0.1: beside --run only audit.KEY": [*of_run, "--set", net],
        "no update is named; valid: --run, --client and --round": ["--client", 3],
        "--round is missing": [*of_run[:-2]],
        "--base is missing": ["--update", files / "delta.npz"],
        "--update-is new: not valid": [*of_files(files), "--update-is", "new"],
        # a run
        "--round 7: the run has rounds 1 to 6": [*of_run[:-1], 7],
        "is not a run folder": ["--run", files, *of_run[2:]],
        # files
        "holds NaN or infinity": of_files(files, "nan"),
        "the update is zero (all its numbers are 0)": of_files(files, "zero"),
        "weights file gone.safetensors does not exist": [*of_files(files), "--base", "gone.safetensors"],
        "gone.npz does not exist": [*of_files(files), "--update", "gone.npz"],
        "text.safetensors is not safetensors, or not whole": [*of_files(files), "--update", files / "text.safetensors"],
        "has shape": [*of_files(files), "--set", "model.options.hidden=[3]"],
        "inputs range from 0 to 252; valid: as the model receives them": [
            *[*of_files(files), "--client-data", files / "bytes.npz"]
        ],
        "has no 'inputs'; valid: ": [*of_files(files), "--client-data", files / "delta.npz"],
        "--samples 3: ": [*of_files(files), "--client-data", files / "two.npz", "--samples", 3],
        "says nothing of an update of files": [*of_files(files), "--set", "staleness.rounds=2"],
        # going on
        "holds no audit; valid: a folder that stalefl privacy-audit has written": ["--resume", files],
        "--attack does not go with --resume, which takes its settings": ["--resume", files, "--attack", "dlg"],
        "--set does not go with --resume": ["--resume", files, "--set", net],
        "--force does not go with --resume": ["--resume", files, "--force"],
    }
    for message, arguments in cases.items():
        printed = audit(*arguments)
        errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
        assert (printed.code, printed.out, len(errors)) == (2, "", 1), (message, printed)
        assert message in errors[0], printed.err
        assert printed.err.rstrip().endswith(errors[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wrong.toml"]
