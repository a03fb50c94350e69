"""What users do: a simulation, an inversion and an audit of texts, each small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stalefl.cli.app import app
from stalefl.contracts import InputError

TEXTS = ["--dataset", "template-sentences", "--model", "textcnn"]
SMALL = ["--set", "model.options.filters=4", "--set", "model.options.embedding_dim=8"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def stalefl(*arguments: str | Path) -> None:
    CliRunner().invoke(app, [*map(str, arguments), "--quiet"], catch_exceptions=False)


def test_a_late_update_is_inverted_in_a_run_and_looked_into(tmp_path: Path) -> None:
    late = ["--set", "staleness.rounds=2", "--rounds", "4"]
    method = ["--method", "inversion", "--set", "method.options.iterations=5"]
    stalefl("simulate", *TEXTS, *SMALL, *late, *method, "--out", tmp_path / "run")
    record = json.loads((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()[-1])
    assert [update["client"] for update in record["late_updates"]] == [5, 15]
    assert all(update["iterations"] > 0 for update in record["late_updates"])
    stalefl("invert", "--run", tmp_path / "run", "--client", "5", "--round", "4", "--out", tmp_path / "seen")
    assert (tmp_path / "seen" / "recovered.png").is_file()
    assert json.loads((tmp_path / "seen" / "result.json").read_text())["estimate_error"]


def test_an_audit_reads_tokens(tmp_path: Path) -> None:
    attacks = ["--set", 'audit.attacks=["dlg"]', "--set", "audit.options.dlg.iterations=30", "--cases", "1"]
    stalefl("privacy-audit", *TEXTS, *SMALL, *attacks, "--sparsify", "0", "--out", tmp_path / "audit")
    (cell,) = json.loads((tmp_path / "audit" / "result.json").read_text())["cells"]
    assert 0 <= cell["metrics"]["token_accuracy"] <= cell["metrics"]["token_recall"] <= 1
    assert "psnr" not in cell["metrics"]
    page = (tmp_path / "audit" / "report.html").read_text()
    assert "anywhere" in page


@pytest.mark.parametrize("model", ["lenet", "mlp"])
def test_a_model_of_images_takes_no_texts(model: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="valid: a model of texts, as textcnn of stalefl-text"):
        stalefl("simulate", "--dataset", "template-sentences", "--model", model, "--out", tmp_path / "run")


def test_a_model_of_texts_takes_no_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reads texts, but the data set's inputs are pixels"):
        stalefl("simulate", "--dataset", "digits", "--model", "textcnn", "--out", tmp_path / "run")
