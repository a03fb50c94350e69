from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pandas
import pytest

from stalefl.config.grid import Cell, load_grid
from stalefl.contracts import DataContext, InputError
from stalefl.machine.processes import new_stop
from stalefl.records.comparison_folder import find_runs
from stalefl.records.run_folder import RunFolder
from stalefl.run import sweep as sweeps
from stalefl.run.sweep import Sweep, check, new_sweep, reopened_sweep, run_sweep
from stalefl.run.tasks import Ended

CONTEXT = DataContext(Path("no-data-needed"))
SMALL = """
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
seeds = 2
device = "cpu"
checkpoint_every_rounds = 2
"""
GRID = '[grid]\n"method.name" = ["unweighted", "weighted"]\n"staleness.rounds" = [1]\n' + SMALL


def cells(tmp_path: Path, text: str = GRID) -> list[Cell]:
    file = tmp_path / "grid.toml"
    file.write_text(text)
    return load_grid(file)


def run(sweep: Sweep, jobs: int = 1, stop_after: int = 10**9) -> tuple[list[str], str]:
    """The runs that have ended, in their order, and the reason given; asks to stop after so many rounds."""
    stop, ended, seen = new_stop(), [], []

    def on_round(place: Any, record: Any) -> None:
        seen.append(record)
        if len(seen) >= stop_after:
            stop.set()

    reason = run_sweep(sweep, jobs, on_round, lambda place, end: ended.append(place.label), stop)
    return ended, reason


def records(sweep: Sweep) -> list[list[dict[str, Any]]]:
    return [
        [{k: v for k, v in line.items() if not k.endswith("_seconds")} for line in place.folder.read_rounds()]
        for place in sweep.places
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
    assert (reason, one.left, one.unended) == ("", [], False)
    assert sorted(run(two, jobs=2)[0]) == sorted(ended)
    assert run(halved, stop_after=5)[0] == ended[:1]
    assert (halved.left, halved.unended) == ([1, 2, 3], True)
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
    result = RunFolder(sweep.places[0].folder.path).read_result()
    assert result is not None
    assert table["last_10.accuracy"][0] == result["last_10"]["accuracy"]
    assert sweep.folder.markdown.read_text().count("| unweighted | 1 |") == 1
    assert "\\toprule" in sweep.folder.latex.read_text()


def test_an_invalid_cell_is_found_before_anything_is_written(tmp_path: Path) -> None:
    grid = cells(tmp_path, SMALL + '[method]\nname = "inversion"\n[grid]\n"method.options.iterations" = [2, 0]')
    with pytest.raises(InputError, match=r'cell iterations=0: options of method "inversion": iterations = 0'):
        check(grid, CONTEXT)


def test_cells_in_which_nobody_is_late_are_told(tmp_path: Path) -> None:
    grid = cells(tmp_path, SMALL + '[grid]\n"staleness.rounds" = [0, 1, 7]')
    told: list[int] = []
    # With a delay of 0 nobody is meant to be.
    assert [cell.label for cell in check(grid, CONTEXT, told.append)] == ["staleness.rounds=7"]
    assert told == [1, 2, 3]


def test_a_failed_run_is_recorded_and_the_others_go_on_and_it_begins_anew(tmp_path: Path) -> None:
    sweep = new_sweep(cells(tmp_path), tmp_path / "out", CONTEXT)
    in_the_way = sweep.places[0].folder.path / "mine.txt"
    in_the_way.parent.mkdir()
    in_the_way.write_text("not a run")
    ended, reason = run(sweep)
    assert (len(ended), reason, sweep.left, sweep.unended) == (4, "", [0], False)
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
    assert [place.label for place, _ in sweep.failures] == ["method=weighted, staleness.rounds=1, seed 0"]
    assert figures(sweep)["error"].isna().tolist() == [True, False]
    again, whole = reopened_sweep(tmp_path / "out", CONTEXT, {}), new_sweep(cells(tmp_path), tmp_path / "w", CONTEXT)
    run(again)
    run(whole)
    assert records(again) == records(whole)


def test_tables_that_cannot_be_written_end_the_sweep(tmp_path: Path) -> None:
    sweep = new_sweep(cells(tmp_path), tmp_path / "out", CONTEXT)
    sweep.folder.parquet.mkdir()
    ended, reason = run(sweep)
    assert len(ended) == 1
    assert "results.parquet" in reason


def test_a_crash_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*arguments: Any) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(sweeps, "run_task", crash)
    told: list[Ended] = []
    place = new_sweep(cells(tmp_path), tmp_path / "out", CONTEXT).places[0]
    sweeps.run_and_tell(place.task(CONTEXT), told.append, lambda: False)
    assert told[0].error == "ZeroDivisionError: by nothing"
    assert "in crash" in told[0].trace


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
