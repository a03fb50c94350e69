from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.records.comparison_folder import ComparisonFolder, find_runs
from tests.records.stored import run_at


def test_force_replaces_a_comparison_with_its_runs(tmp_path: Path) -> None:
    comparison = ComparisonFolder.create(tmp_path / "c", ["a", "b"], [0, 1])
    for method in ("a", "b"):
        run_at(comparison.run_path(method, 0), rounds=1)
    (tmp_path / "c" / "a" / "keep.txt").write_text("mine")
    ComparisonFolder.create(tmp_path / "c", ["x"], [5], force=True)
    left = sorted(str(p.relative_to(tmp_path / "c")) for p in (tmp_path / "c").rglob("*"))
    assert left == ["a", "a/keep.txt", "comparison.json"]
    assert ComparisonFolder(tmp_path / "c").read_index()["runs"] == ["x/seed-5"]


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
