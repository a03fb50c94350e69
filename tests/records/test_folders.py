from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.contracts import InputError
from stalefl.records.folders import RUN_FILES, ComparisonFolder, RunFolder, find_runs


def run_at(path: Path, rounds: int = 0, **options: Any) -> RunFolder:
    folder = RunFolder.create(path, **options)
    folder.write_config("[run]\nseed = 1\n")
    for t in range(1, rounds + 1):
        folder.append_round({"round": t, "accuracy": t / 10})
    return folder


def test_an_existing_folder_is_refused_and_the_way_out_named(tmp_path: Path) -> None:
    run_at(tmp_path / "run", rounds=2)
    with pytest.raises(InputError, match=r"run exists and is not empty; .*--force.*--resume"):
        RunFolder.create(tmp_path / "run")
    assert len(RunFolder(tmp_path / "run").read_rounds()) == 2


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run_at(tmp_path / "empty").read_rounds() == []
    assert run_at(tmp_path / "a" / "b").read_rounds() == []


def test_force_removes_a_runs_files_and_no_others(tmp_path: Path) -> None:
    for name in RUN_FILES:
        run_at(tmp_path, force=True)
        (tmp_path / name).write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".checkpoint.safetensors.tmp").write_text("half")
    RunFolder.create(tmp_path, force=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt", "rounds.jsonl"]
    assert RunFolder(tmp_path).read_rounds() == []


def test_force_leaves_a_folder_that_is_no_run_alone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("somebody else's")
    with pytest.raises(InputError, match="holds no run of stalefl"):
        RunFolder.create(tmp_path, force=True)
    assert (tmp_path / "config.toml").read_text() == "somebody else's"


def test_force_replaces_a_comparison_with_its_runs(tmp_path: Path) -> None:
    comparison = ComparisonFolder.create(tmp_path / "c", ["a", "b"], [0, 1])
    for method in ("a", "b"):
        run_at(comparison.run_path(method, 0), rounds=1)
    (tmp_path / "c" / "a" / "keep.txt").write_text("mine")
    ComparisonFolder.create(tmp_path / "c", ["x"], [5], force=True)
    left = sorted(str(p.relative_to(tmp_path / "c")) for p in (tmp_path / "c").rglob("*"))
    assert left == ["a", "a/keep.txt", "comparison.json"]
    assert ComparisonFolder(tmp_path / "c").facts()["runs"] == ["x/seed-5"]


@pytest.mark.parametrize("below", ["", "run", "a/b"])
def test_a_file_in_the_way_is_named_and_kept(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match=f"cannot write {file / below}: {file} is a file; valid: a new folder"):
        RunFolder.create(file / below, force=True)
    assert file.read_text() == "mine"


def test_rounds_come_back_in_order_without_nan(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r")
    folder.append_round({"round": 1, "loss": math.nan, "per_class_accuracy": [0.1, math.inf]})
    folder.append_round({"round": 2, "loss": 0.1 + 0.2})
    assert folder.read_rounds() == [
        {"round": 1, "loss": None, "per_class_accuracy": [0.1, None]},
        {"round": 2, "loss": 0.1 + 0.2},
    ]


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_truncate_drops_later_rounds_and_a_half_written_line(tmp_path: Path, cut: int) -> None:
    folder = run_at(tmp_path / "r", rounds=5)
    whole = folder.rounds.read_bytes()
    folder.rounds.write_bytes(whole[:-cut])
    folder.truncate_rounds(after_round=3)
    assert whole.startswith(folder.rounds.read_bytes())
    folder.append_round({"round": 4, "accuracy": 0.4})
    folder.append_round({"round": 5, "accuracy": 0.5})
    assert folder.rounds.read_bytes() == whole


def test_truncate_refuses_a_file_that_lacks_earlier_rounds(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r", rounds=2)
    with pytest.raises(InputError, match="lacks rounds"):
        folder.truncate_rounds(after_round=3)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r", rounds=1)
    for line in ("{half\n", "[]\n", '{"accuracy": 1}\n'):
        folder.rounds.write_text('{"round": 1}\n' + line)
        with pytest.raises(InputError, match=r"rounds.jsonl, line 2 is damaged"):
            folder.read_rounds()


def test_checkpoint_and_result(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r", rounds=1)
    assert folder.read_result() is None
    folder.save_checkpoint({"round": 1, "weights": torch.ones(3)})
    assert folder.load_checkpoint()["weights"].tolist() == [1, 1, 1]
    folder.write_result({"schema": 1, "loss": math.nan})
    assert json.loads(folder.result.read_text()) == {"schema": 1, "loss": None}
    assert folder.read_result() == {"schema": 1, "loss": None}


def test_open_wants_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run folder"):
        RunFolder.open(tmp_path)
    assert RunFolder.open(run_at(tmp_path / "r").path).rounds.exists()


def test_find_runs_in_a_comparison_keeps_its_order(tmp_path: Path) -> None:
    comparison = ComparisonFolder.create(tmp_path, ["weighted", "inversion"], [0, 1])
    for method in ("inversion", "weighted"):
        run_at(comparison.run_path(method, 0))
    assert [run.path for run in find_runs(tmp_path)] == [
        tmp_path / "weighted" / "seed-0",
        tmp_path / "inversion" / "seed-0",
    ]


def test_find_runs_below_a_folder_sorts_seeds_as_numbers(tmp_path: Path) -> None:
    for seed in (10, 2):
        run_at(tmp_path / f"seed-{seed}")
    assert [run.path.name for run in find_runs(tmp_path)] == ["seed-2", "seed-10"]
    assert [run.path for run in find_runs(tmp_path / "seed-2")] == [tmp_path / "seed-2"]


def test_find_runs_where_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder"):
        find_runs(tmp_path / "missing")


def test_a_damaged_comparison_is_named(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text("[")
    with pytest.raises(InputError, match="comparison.json is damaged"):
        find_runs(tmp_path)


def test_a_run_that_is_being_written_is_neither_resumed_nor_replaced(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.append_round({"round": 1})
    with folder.locked():
        with pytest.raises(InputError, match="another process is writing"), RunFolder(tmp_path / "run").locked():
            pass
        with pytest.raises(InputError, match="another process is writing"):
            RunFolder.create(tmp_path / "run", force=True)
    assert folder.read_rounds() == [{"round": 1}]
    RunFolder.create(tmp_path / "run", force=True)


# --- inversions -----------------------------------------------------------------------------------------------------
