from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pandas
import pytest

from stalefl.contracts import InputError
from stalefl.machine.processes import new_stop
from stalefl.records.comparison_folder import find_runs
from stalefl.records.run_folder import RunFolder
from stalefl.run.checking import check_cells
from stalefl.run.sweep import Sweep, new_sweep, reopened_sweep, run_sweep
from tests.run.short_runs import CONTEXT
from tests.run.small_grid import cells


def run(sweep: Sweep, jobs: int = 1, stop_after: int = 10**9) -> tuple[list[str], str]:
    """The runs that have ended, in their order, and the reason given; asks to stop after so many rounds."""
    stop, ended, seen = new_stop(), [], []

    def on_record(run: Any, record: Any) -> None:
        seen.append(record)
        if len(seen) >= stop_after:
            stop.set()

    reason = run_sweep(sweep, jobs, on_record, lambda run, outcome: ended.append(run.label), stop)
    return ended, reason


def records(sweep: Sweep) -> list[list[dict[str, Any]]]:
    return [
        [{k: v for k, v in line.items() if not k.endswith("_seconds")} for line in run.folder.read_rounds()]
        for run in sweep.runs
    ]


def figures(sweep: Sweep) -> pandas.DataFrame:
    table = pandas.read_parquet(sweep.folder.parquet)
    return table.drop(columns=[name for name in table if name.endswith("_seconds")])


def test_one_and_two_jobs_and_a_stopped_and_resumed_sweep_give_the_same(tmp_path: Path) -> None:
    grid = cells(tmp_path)
    one, two, halved = (new_sweep(grid, tmp_path / name, CONTEXT) for name in ("one", "two", "halved"))
    ended, reason = run(one)
    # The whole grid with the first seed, then with the second.
    assert ended == [
        "method=unweighted, staleness.rounds=1, seed 0",
        "method=weighted, staleness.rounds=1, seed 0",
        "method=unweighted, staleness.rounds=1, seed 1",
        "method=weighted, staleness.rounds=1, seed 1",
    ]
    assert (reason, one.left, one.all_ended) == ("", [], True)
    assert sorted(run(two, jobs=2)[0]) == sorted(ended)
    assert run(halved, stop_after=5)[0] == ended[:1]
    assert (halved.left, halved.all_ended) == ([1, 2, 3], False)
    assert len(figures(halved)) == 1
    again = reopened_sweep(tmp_path / "halved", CONTEXT, {})
    assert run(again)[0] == ended[1:]
    assert records(one) == records(two) == records(again)
    pandas.testing.assert_frame_equal(figures(one), figures(two))
    pandas.testing.assert_frame_equal(figures(one), figures(again))
    assert run(reopened_sweep(tmp_path / "halved", CONTEXT, {})) == ([], "")


def test_every_cell_is_a_folder_of_runs_as_any_other(tmp_path: Path) -> None:
    sweep = new_sweep(cells(tmp_path), tmp_path / "out", CONTEXT)
    run(sweep)
    assert [folder.path.relative_to(tmp_path / "out").as_posix() for folder in find_runs(tmp_path / "out")] == [
        f"cells/{cell.name}/seed-{seed}" for cell in sweep.cells for seed in (0, 1)
    ]
    table = figures(sweep)
    assert table["method.name"].tolist() == ["unweighted", "unweighted", "weighted", "weighted"]
    assert table["seed"].tolist() == [0, 1, 0, 1]
    result = RunFolder(sweep.runs[0].folder.path).read_result()
    assert result is not None
    assert table["last_10.accuracy"][0] == result["last_10"]["accuracy"]
    assert sweep.folder.markdown.read_text().count("| unweighted | 1 |") == 1
    assert "\\toprule" in sweep.folder.latex.read_text()


def test_a_failed_run_is_recorded_and_the_others_go_on_and_it_begins_anew(tmp_path: Path) -> None:
    sweep = new_sweep(cells(tmp_path), tmp_path / "out", CONTEXT)
    in_the_way = sweep.runs[0].folder.path / "mine.txt"
    in_the_way.parent.mkdir()
    in_the_way.write_text("not a run")
    ended, reason = run(sweep)
    assert (len(ended), reason, sweep.left, sweep.all_ended) == (4, "", [0], True)
    failed = json.loads(sweep.folder.failed.read_text())
    assert list(failed) == [str(in_the_way.parent)]
    assert "holds no run" in failed[str(in_the_way.parent)]["error"]
    table = figures(sweep)
    assert table["error"].isna().tolist() == [False, True, True, True]
    assert "1 of 2, 1 failed" in sweep.folder.markdown.read_text()
    in_the_way.unlink()
    again = reopened_sweep(tmp_path / "out", CONTEXT, {})
    assert len(run(again)[0]) == 1
    assert not sweep.folder.failed.exists()
    assert figures(again)["error"].isna().all()


def test_a_full_disk_stops_the_sweep_and_what_is_written_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = new_sweep(cells(tmp_path), tmp_path / "out", CONTEXT)
    append, written = RunFolder.append_round, []

    def full_after_four(folder: RunFolder, record: Any) -> None:
        """As ``append_round`` fails on a full disk: half of the line is there."""
        written.append(record)
        if len(written) <= 4:
            append(folder, record)
            return
        with folder.rounds.open("ab") as file:
            file.write(b'{"round": 2, "acc')
        raise InputError(f"cannot write {folder.rounds}: {os.strerror(errno.ENOSPC)}; valid: a place")

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "append_round", full_after_four)
        ended, reason = run(sweep)
    assert len(ended) == 2
    assert reason == "there is no space left for further runs"
    assert sweep.left == [1, 2, 3]
    assert [run.label for run, _ in sweep.failures] == ["method=weighted, staleness.rounds=1, seed 0"]
    assert figures(sweep)["error"].isna().tolist() == [True, False]
    again, whole = reopened_sweep(tmp_path / "out", CONTEXT, {}), new_sweep(cells(tmp_path), tmp_path / "w", CONTEXT)
    run(again)
    run(whole)
    assert records(again) == records(whole)


def test_the_first_run_is_the_one_that_the_check_has_built(tmp_path: Path) -> None:
    grid = cells(tmp_path)
    checked, whole = (new_sweep(grid, tmp_path / name, CONTEXT) for name in ("checked", "whole"))
    checked.first_run = check_cells(grid, CONTEXT).first_run
    tasks = checked.take_tasks()
    assert [task.built is None for task in tasks] == [False, True, True, True]
    assert tasks[0].built.experiment == tasks[0].experiment
    assert checked.first_run is None
    checked.first_run = tasks[0].built
    run(checked)
    run(whole)
    assert records(checked) == records(whole)


def test_tables_that_cannot_be_written_end_the_sweep(tmp_path: Path) -> None:
    sweep = new_sweep(cells(tmp_path), tmp_path / "out", CONTEXT)
    sweep.folder.parquet.mkdir()
    ended, reason = run(sweep)
    assert len(ended) == 1
    assert "results.parquet" in reason


def test_folders_that_are_taken_and_folders_that_are_none(tmp_path: Path) -> None:
    grid = cells(tmp_path)
    new_sweep(grid, tmp_path / "out", CONTEXT)
    with pytest.raises(InputError, match="--resume to go on with it, or --force"):
        new_sweep(grid, tmp_path / "out", CONTEXT)
    assert len(new_sweep(grid[:1], tmp_path / "out", CONTEXT, force=True).folder.read_index()["cells"]) == 1
    with pytest.raises(InputError, match="holds no sweep"):
        new_sweep(grid, tmp_path, CONTEXT, force=True)
    with pytest.raises(InputError, match="holds no sweep"):
        reopened_sweep(tmp_path, CONTEXT, {})
