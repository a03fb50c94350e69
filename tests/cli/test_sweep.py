from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas
import pytest

from stalefl.cli import main

GRID = """
[grid]
"staleness.rounds" = [1, 2]
"method.name" = ["unweighted"]
[partition]
clients = 10
samples_per_client = 10
[staleness]
late_clients = 1
[model]
name = "mlp"
options = { hidden = [12] }
[run]
rounds = 3
device = "cpu"
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    (tmp_path / "grid.toml").write_text(GRID)
    return tmp_path / "grid.toml"


def sweep(*arguments: str | Path) -> int:
    return main(["sweep", *map(str, arguments)])


def test_a_sweep_ends_with_a_table_and_files(grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert sweep(grid, "--out", out, "--jobs", "1") == 0
    printed = capsys.readouterr()
    assert [line.split()[:2] for line in printed.out.splitlines() if " unweighted " in line] == [
        ["1", "unweighted"],
        ["2", "unweighted"],
    ]
    assert printed.err.splitlines()[0] == "checking 2 cells ..."
    assert "staleness.rounds=2, method=unweighted, seed 0: accuracy 0." in printed.err
    assert {path.name for path in out.iterdir()} == {
        *[".lock", "cells", "sweep.json", "results.parquet", "results.md", "results.tex"]
    }
    assert main(["evaluate", str(out / "cells/1-staleness.rounds=1-method=unweighted/seed-0"), "-q"]) == 0


def test_json_has_every_run_and_nothing_else_is_printed(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--set", "run.seeds=2", "--set", "run.rounds=2", "-q", "--json", "--jobs", "1"]
    assert sweep(grid, "--out", tmp_path / "out", *settings) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert printed.err == ""
    assert [cell["values"]["staleness.rounds"] for cell in document["cells"]] == [1, 2]
    assert [(row["staleness.rounds"], row["seed"], row["rounds"]) for row in document["runs"]] == [
        *[(1, 0, 2), (1, 1, 2), (2, 0, 2), (2, 1, 2)]
    ]


def test_a_dry_run_lists_the_cells_and_writes_nothing(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweep(grid, "--dry-run", "--set", "run.seeds=3") == 0
    assert capsys.readouterr().out.splitlines() == [
        "1: staleness.rounds=1, method=unweighted",
        "2: staleness.rounds=2, method=unweighted",
        "2 cells with 3 seeds each: 6 runs",
    ]
    assert sweep(grid, "--dry-run", "--json", "-q") == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == [0]
    assert list(tmp_path.iterdir()) == [grid]


def test_what_is_hardly_meant_is_said_once_before_the_first_run(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(grid, "--dry-run", "--set", "server.optimizer=adam") == 0
    assert capsys.readouterr().err.count('server.lr = 1 with server.optimizer = "adam"') == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no grid; valid: a file with a table [grid], or --resume DIR"),
        (["none.toml"], "none.toml: cannot be read"),
        (["grid.toml", "--set", "staleness.rounds=3"], "staleness.rounds is varied by the grid"),
        (["grid.toml", "--set", "partition.clients=0"], "cell staleness.rounds=1, method=unweighted: --set"),
        (
            ["grid.toml", "--set", "staleness.affected_class=10"],
            "grid.toml: cell staleness.rounds=1, method=unweighted: stale",
        ),
        (["grid.toml", "--set", "method.options.a=1"], "cell staleness.rounds=1, method=unweighted: options of method"),
        (["grid.toml", "--jobs", "-1"], "run.jobs = -1"),
        (["grid.toml", "--device", "gpu"], 'run.device = "gpu" is no device'),
        (["grid.toml", "--out", "grid.toml"], "grid.toml is a file; valid: a new folder"),
        (["--resume", "none"], "none: no such folder"),
        (["grid.toml", "--resume", "none"], "--resume takes the grid from the folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_and_writes_nothing(
    arguments: list[str],
    says: str,
    grid: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(grid.parent)
    assert sweep("-q", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(grid.parent.iterdir()) == [grid]


def test_a_failed_run_is_told_and_the_exit_code_is_1(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert sweep(grid, "--out", out, "-q", "--jobs", "1") == 0
    run = out / "cells/1-staleness.rounds=1-method=unweighted/seed-0"
    (run / "result.json").unlink()
    checkpoint = run / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-7])
    capsys.readouterr()
    assert sweep("--resume", out, "-q") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("failed: staleness.rounds=1, method=unweighted, seed 0: ")
    assert "damaged" in lines[0]
    assert lines[1] == f"error: runs failed; 1 of 2 runs finished; go on with: stalefl sweep --resume {out}"
    checkpoint.unlink()
    assert sweep("--resume", out, "-q") == 0
    assert not (out / "failed.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_stopped_it_exits_130_and_resume_gives_the_results_of_an_uninterrupted_sweep(
    number: int, grid: Path, tmp_path: Path
) -> None:
    grid.write_text(GRID.replace("rounds = 3", "rounds = 60"))
    out, whole = tmp_path / "stopped", tmp_path / "whole"
    command = [sys.executable, "-m", "stalefl", "sweep", str(grid), "--out", str(out), "--jobs", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    first = out / "cells/1-staleness.rounds=1-method=unweighted/seed-0/rounds.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if first.exists() and first.read_text().count("\n") >= 3:
            break
        time.sleep(0.02)
    process.send_signal(number)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"stopped; 0 of 2 runs finished; go on with: stalefl sweep --resume {out}" in error
    assert sweep("--resume", out, "-q", "--jobs", "1") == 0
    assert sweep(grid, "--out", whole, "-q", "--jobs", "1") == 0
    pandas.testing.assert_frame_equal(figures(out), figures(whole))


def figures(out: Path) -> Any:
    table = pandas.read_parquet(out / "results.parquet")
    return table.drop(columns=[name for name in table if name.endswith("_seconds")])
