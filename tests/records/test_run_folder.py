from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.contracts import InputError
from stalefl.records.run_folder import RUN_FILES, RunFolder
from stalefl.records.run_result import run_result
from tests.records.stored import record_of, run_at


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


@pytest.mark.parametrize("below", ["", "run", "a/b"])
def test_a_file_in_the_way_is_named_and_kept(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match=f"cannot write {file / below}: {file} is a file; valid: a new folder"):
        RunFolder.create(file / below, force=True)
    assert file.read_text() == "mine"


def test_rounds_come_back_in_order_without_nan(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r")
    folder.append_round(record_of(1, loss=math.nan, per_class_accuracy=[0.1, math.inf]))
    folder.append_round(record_of(2, loss=0.1 + 0.2))
    assert folder.read_rounds() == [
        record_of(1, loss=None, per_class_accuracy=[0.1, None]),
        record_of(2, loss=0.1 + 0.2),
    ]


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_truncate_drops_later_rounds_and_a_half_written_line(tmp_path: Path, cut: int) -> None:
    folder = run_at(tmp_path / "r", rounds=5)
    whole = folder.rounds.read_bytes()
    folder.rounds.write_bytes(whole[:-cut])
    folder.truncate_rounds(after_round=3)
    assert whole.startswith(folder.rounds.read_bytes())
    folder.append_round(record_of(4))
    folder.append_round(record_of(5))
    assert folder.rounds.read_bytes() == whole


def test_truncate_refuses_a_file_that_lacks_earlier_rounds(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r", rounds=2)
    with pytest.raises(InputError, match="lacks rounds"):
        folder.truncate_rounds(after_round=3)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r", rounds=1)
    whole = folder.rounds.read_text()
    for line in ("{half\n", "[]\n", '{"accuracy": 1}\n'):
        folder.rounds.write_text(whole + line)
        with pytest.raises(InputError, match=r"rounds.jsonl, line 2 is damaged"):
            folder.read_rounds()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"stale_updates": "1"}, "stale_updates: Input should be a valid integer"),
        ({"late_updates": [{"client": 3}]}, "late_updates.0.staleness_rounds: Field required"),
        ({"participants": [0, -1]}, "participants.1: Input should be greater than or equal to 0"),
        ({"shadows": {"other": 1}}, "shadows.other: Input should be an object"),
    ],
)
def test_a_field_of_another_kind_is_named(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    folder = run_at(tmp_path / "r", rounds=1)
    folder.append_round(record_of(2, **changes))
    with pytest.raises(InputError, match=re.escape(f"line 2 is damaged ({place}")):
        folder.read_rounds()


def test_keys_that_are_not_known_are_kept(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r")
    late = {"client": 3, "staleness_rounds": 2, "weight": 2.0, "iterations": 0, "gamma": 0.5, "unique": True}
    folder.append_round(record_of(1, late_updates=[late], newer="x"))
    assert folder.read_rounds() == [record_of(1, late_updates=[late], newer="x")]


def test_lines_of_an_older_version_may_lack_what_came_later(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r")
    older = {key: value for key, value in record_of(1).items() if key != "late_updates"}
    folder.append_round(older)
    assert folder.read_rounds() == [older]


def test_checkpoint_and_result(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "r", rounds=1)
    assert folder.read_result() is None
    folder.save_checkpoint({"round": 1, "weights": torch.ones(3)})
    assert folder.load_checkpoint()["weights"].tolist() == [1, 1, 1]
    result = run_result(
        method="weighted",
        dataset="digits",
        model="mlp",
        seed=0,
        records=[record_of(1)],
        target_accuracy=0.8,
        first_late_round=None,
        wall_seconds=1.0,
    )
    folder.write_result({**result, "note": math.nan})
    assert json.loads(folder.result.read_text()) == {**result, "note": None}
    assert folder.read_result() == {**result, "note": None}
    folder.result.write_text(folder.result.read_text().replace('"target": 0.8', '"target": "high"'))
    with pytest.raises(InputError, match=re.escape("result.json is damaged (rounds_to_target.target: Input should be")):
        folder.read_result()


def test_open_wants_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run folder"):
        RunFolder.open(tmp_path)
    assert RunFolder.open(run_at(tmp_path / "r").path).rounds.exists()


def test_a_run_that_is_being_written_is_neither_resumed_nor_replaced(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    folder.append_round(record_of(1))
    with folder.locked():
        with pytest.raises(InputError, match="another process is writing"), RunFolder(tmp_path / "run").locked():
            pass
        with pytest.raises(InputError, match="another process is writing"):
            RunFolder.create(tmp_path / "run", force=True)
    assert folder.read_rounds() == [record_of(1)]
    RunFolder.create(tmp_path / "run", force=True)
