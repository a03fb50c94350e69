"""Series through every command: simulated, divided, evaluated, inverted, audited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stalefl.cli import main

SMALL = ["--dataset", "waves", "--model", "cnn1d", "--device", "cpu", "-q"]
SMALL += ["--set", "data.options.samples_per_class=20", "--set", "data.options.length=16"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "run"
    options = ["--method", "inversion", "--rounds", "3", "--set", "staleness.rounds=1", "--set", "partition.clients=6"]
    options += ["--set", "staleness.late_clients=1", "--set", "method.options.iterations=5", "--oracle"]
    assert main(["simulate", *SMALL, *options, "--out", str(place)]) == 0
    return place


def test_late_series_are_inverted_while_simulating(run: Path) -> None:
    rounds = [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]
    assert [each["inversion_iterations"] > 0 for each in rounds] == [False, True, True]
    assert rounds[-1]["estimate_error"]["l1"] > 0


def test_a_run_is_evaluated(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["per_class_accuracy"]) == 6


def test_series_are_divided_and_drawn(tmp_path: Path) -> None:
    options = ["--clients", "6", "--stale-clients", "1", "--out", str(tmp_path / "part.safetensors")]
    assert main(["partition", "--dataset", "waves", *options, "-q"]) == 0
    assert (tmp_path / "part.safetensors").is_file()


def test_an_update_of_a_run_is_inverted_and_its_series_drawn(run: Path, tmp_path: Path) -> None:
    result = json.loads((run / "rounds.jsonl").read_text().splitlines()[-1])
    client = str(result["late_updates"][0]["client"])
    options = ["--client", client, "--round", "3", "--set", "method.options.iterations=5", "--out", str(tmp_path / "d")]
    assert main(["invert", "--run", str(run), *options, "-q"]) == 0
    assert (tmp_path / "d" / "recovered.png").stat().st_size > 1000


@pytest.mark.parametrize("model", ["cnn1d", "gru"])
def test_the_audit_measures_signals_and_draws_them(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["--model", model, "--attack", "fedavg-unrolled", "--sparsify", "0", "--cases", "2", "--jobs", "1"]
    options += ["--set", "audit.options.fedavg-unrolled.iterations=20", "--out", str(tmp_path / "audit")]
    options += ["--set", "data.options.length=8"]
    assert main(["privacy-audit", *SMALL, *options]) == 0
    cell = json.loads((tmp_path / "audit" / "result.json").read_text())["cells"][0]
    assert cell["metrics"]["relative_rmse"] > 0
    assert "ssim" not in cell["metrics"]
    assert (tmp_path / "audit" / "recovered-fedavg-unrolled.png").stat().st_size > 1000
    assert "relative" in (tmp_path / "audit" / "report.html").read_text()


def test_images_models_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "run"
    assert main(["simulate", "--dataset", "waves", "--model", "lenet", "-q", "--out", str(place)]) == 2
    assert "model lenet needs images (channels, height, width)" in capsys.readouterr().err
    assert main(["simulate", "--dataset", "digits", "--model", "cnn1d", "-q", "--out", str(place)]) == 2
    assert "model cnn1d needs series (channels, steps)" in capsys.readouterr().err
    assert not place.exists()
