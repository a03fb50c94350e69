from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import stalefl
from stalefl.cli import main

GRID = str(Path(__file__).parents[2] / "examples" / "all-methods.toml")
SMALL = [
    *["--set", "partition.clients=10", "--set", "partition.samples_per_client=10", "--set", "staleness.late_clients=1"],
    *["--set", "staleness.rounds=2", "--set", "model.name=mlp", "--set", "model.options.hidden=[12]", "--jobs", "1"],
]


def simulate(*arguments: str | Path) -> int:
    return main(["simulate", *SMALL, *map(str, arguments)])


def without_seconds(lines: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in lines.splitlines()]
    return [{k: v for k, v in record.items() if not k.endswith("_seconds")} for record in records]


def test_one_run_writes_a_run_folder_and_prints_its_result_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert simulate("--method", "inversion", "--rounds", "4", "--oracle", "--json", "-q", "--out", out) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert printed.err == ""
    assert result == json.loads((out / "result.json").read_text())
    assert (result["schema"], result["method"], result["rounds"], result["stale_updates"]) == (1, "inversion", 4, 2)
    assert {path.name for path in out.iterdir()} - {".lock"} == {
        *["config.toml", "environment.json", "partition.safetensors", "rounds.jsonl", "checkpoint.safetensors"],
        *["weights.safetensors", "result.json", "curves.png", "errors.png", "data.json"],
    }
    records = [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]
    assert [record["round"] for record in records] == [1, 2, 3, 4]
    assert records[1]["estimate_error"] is None
    assert set(records[3]["estimate_error"]) == set(records[3]["stale_error"]) == {"l1", "cosine"}


def test_several_methods_and_seeds_make_a_comparison_with_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "comparison"
    methods = ["--method", "unstale", "--method", "unweighted"]
    assert simulate(*methods, "--seeds", "2", "--rounds", "3", "--out", out) == 0
    printed = capsys.readouterr()
    assert "unweighted" in printed.out
    assert "±" in printed.out
    assert f"records: {out}" in printed.out
    assert printed.err.splitlines()[:2] == ["reading digits ...", "4 runs: 3 rounds"]
    assert "unstale seed 1: round 3/3" in printed.err
    partitions = [
        (out / method / "seed-1" / "partition.safetensors").read_bytes() for method in ("unstale", "unweighted")
    ]
    assert partitions[0] == partitions[1]
    assert set(json.loads((out / "summary.json").read_text())["methods"]) == {"unstale", "unweighted"}


def test_with_an_oracle_a_comparison_ends_with_the_errors_of_its_estimates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "comparison"
    methods = ["--method", "unstale", "--method", "inversion"]
    assert simulate(*methods, "--seeds", "2", "--rounds", "3", "--oracle", "--out", out) == 0
    printed = capsys.readouterr().out
    assert printed.count("Estimates of late updates") == 1
    assert "Estimates of late updates, inversion training" in printed
    assert f"pictures: {out / 'curves.png'}, {out / 'errors.png'}" in printed
    assert (out / "errors.png").is_file()


def test_flags_win_over_settings_and_settings_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text("[run]\nrounds = 5\nseed = 7\n[training]\nlr = 0.2\n")
    out = tmp_path / "run"
    assert simulate(file, "--method", "unweighted", "--set", "run.rounds=4", "--rounds", "2", "--out", out, "-q") == 0
    config = (out / "config.toml").read_text()
    assert "rounds = 2" in config
    assert "seed = 7" in config
    assert "lr = 0.2" in config


def test_an_existing_run_is_refused_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    arguments = ["--method", "unweighted", "--rounds", "1", "-q", "--out", out]
    assert simulate(*arguments) == 0
    before = (out / "rounds.jsonl").read_bytes()
    assert simulate(*arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert (out / "rounds.jsonl").read_bytes() == before
    assert simulate(*arguments, "--force") == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--method", "inversoin"], 'did you mean "inversion"'),
        (["--method", "inversion", "--set", "method.options.iteration=5"], 'did you mean "iterations"'),
        (["--method", "inversion", "--set", "method.options.iterations=0"], "iterations"),
        (["--method", "unweighted", "--rounds", "0"], "run.rounds"),
        (["--method", "unweighted", "--rounds", "-3"], "run.rounds"),
        (["--method", "unweighted", "--rounds", "many"], "--rounds"),
        (["--method", "unweighted", "--set", "partition.alpha=0"], "partition.alpha"),
        (["--method", "unweighted", "--set", "partition.clients=0"], "partition.clients"),
        (["--method", "unweighted", "--set", "staleness.late_clients=11"], "more than there are clients"),
        (["--method", "unweighted", "--set", "staleness.affected_class=10"], "0 to 9"),
        (["--method", "unweighted", "--dataset", "mnist", "--data-dir", "no-such-folder"], "no-such-folder"),
        (["--method", "unweighted", "--device", "cuda:99"], "cuda:99"),
        (["--method", "unweighted", "--set", "run"], "TABLE.KEY=VALUE"),
        (["no-such-file.toml"], "no-such-file.toml"),
        (["--resume", "no-such-run"], "not a run folder"),
        ([GRID], "all-methods.toml has a table [grid]: it is not one experiment but many; valid: stalefl sweep"),
        (["--resume", "no-such-run", "--method", "weighted"], "--resume takes its settings from the folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_and_writes_nothing(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [] if "--resume" in arguments else SMALL
    assert main(["simulate", "-q", *settings, *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert simulate("--method", "unweighted", "--rounds", "1", "--out", tmp_path / "file") == 2
    assert f"{tmp_path / 'file'} is a file; valid: a new folder" in capsys.readouterr().err


def test_that_it_reads_is_said_before_pytorch_is_loaded(tmp_path: Path) -> None:
    """PyTorch is put out of reach: whatever was said was said before it was asked for."""
    (tmp_path / "torch.py").write_text("raise OSError(5, 'out of reach', 'torch')")
    root = Path(stalefl.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])}
    command = [sys.executable, "-m", "stalefl", "simulate"]
    for options, said in ([], ["reading digits ..."]), (["--resume", "x"], ["reading x ..."]), (["-q"], []):
        done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment, check=False)
        assert done.stderr.splitlines() == [*said, "error: torch: out of reach"]


def test_a_damaged_checkpoint_is_found_and_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert simulate("--method", "unweighted", "--rounds", "2", "-q", "--out", out) == 0
    checkpoint, rounds = out / "checkpoint.safetensors", (out / "rounds.jsonl").read_bytes()
    checkpoint.write_bytes(checkpoint.read_bytes()[:-7])
    assert main(["simulate", "--resume", str(out), "--rounds", "4"]) == 2
    assert "damaged" in capsys.readouterr().err
    assert (out / "rounds.jsonl").read_bytes() == rounds


def test_a_diverging_client_is_rejected_counted_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    diverging = ["--set", "training.lr=1e19", "--set", "training.local_epochs=5"]
    assert simulate("--method", "unweighted", "--rounds", "3", *diverging, "--out", out) == 0
    assert "Rejected updates (not finite): unweighted 30." in capsys.readouterr().out
    assert json.loads((out / "result.json").read_text())["rejected_updates"] > 0


def test_ctrl_c_saves_exits_130_and_resume_gives_the_records_of_an_uninterrupted_run(tmp_path: Path) -> None:
    out, whole = tmp_path / "stopped", tmp_path / "whole"
    arguments = ["--method", "inversion", "--rounds", "60", "--set", "run.checkpoint_every_rounds=50"]
    command = [sys.executable, "-m", "stalefl", "simulate", *SMALL, *arguments, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (out / "rounds.jsonl").exists() and (out / "rounds.jsonl").read_text().count("\n") >= 5:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"stalefl simulate --resume {out}" in error
    assert 5 <= (out / "rounds.jsonl").read_text().count("\n") < 60
    assert main(["simulate", "--resume", str(out), "-q"]) == 0
    assert simulate(*arguments, "-q", "--out", whole) == 0
    assert without_seconds((out / "rounds.jsonl").read_text()) == without_seconds((whole / "rounds.jsonl").read_text())


def test_a_run_too_short_for_late_updates_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate("--method", "unweighted", "--rounds", "2", "--out", tmp_path / "run") == 0
    assert "warning: run.rounds = 2, but late updates arrive from round 3 on" in capsys.readouterr().err
