from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.records.run_folder import RunFolder
from stalefl.run import comparison
from stalefl.run.comparison import single_runs
from stalefl.run.tasks import Task
from tests.fixtures import digits_experiment
from tests.run.short_runs import CONTEXT, run_all

METHODS = ("unweighted", "inversion")


def test_a_comparison_is_every_method_with_every_seed() -> None:
    experiment = digits_experiment(METHODS, run={"seed": 3, "seeds": 2})
    singles = single_runs(experiment)
    assert [(e.method.name, e.run.seed, e.run.seeds) for e in singles] == [
        ("unweighted", 3, 1),
        ("inversion", 3, 1),
        ("unweighted", 4, 1),
        ("inversion", 4, 1),
    ]
    assert singles[1].method.options == {"size": 4, "iterations": 4, "warm_iterations": 2}
    assert singles[0].method.options == {}
    assert Task(singles[1], Path(), CONTEXT).label == "inversion seed 3"


def test_a_new_comparison_is_checked_before_its_folder_is_made(tmp_path: Path) -> None:
    wrong = digits_experiment(METHODS, options={"inversion": {"size": 0}})
    with pytest.raises(InputError, match="size"):
        comparison.new_tasks(wrong, tmp_path / "out", CONTEXT)
    assert not (tmp_path / "out").exists()


def test_a_comparison_goes_on_with_more_seeds_but_not_with_fewer(tmp_path: Path) -> None:
    experiment = digits_experiment(("unweighted", "weighted"), run={"rounds": 3, "seeds": 2})
    run_all(comparison.new_tasks(experiment, tmp_path / "out", CONTEXT), jobs=1)
    before = (tmp_path / "out/weighted/seed-1/rounds.jsonl").read_bytes()
    more = comparison.reopened_tasks(tmp_path / "out", {"run": {"seeds": 3}}, CONTEXT)
    assert [task.path.name for task in more] == ["seed-0", "seed-0", "seed-1", "seed-1", "seed-2", "seed-2"]
    run_all(more, jobs=1)
    assert (tmp_path / "out/weighted/seed-1/rounds.jsonl").read_bytes() == before
    assert len(RunFolder(tmp_path / "out/weighted/seed-2").read_rounds()) == 3
    with pytest.raises(InputError, match="already holds seed 1"):
        comparison.reopened_tasks(tmp_path / "out", {"run": {"seeds": 1}}, CONTEXT)


def test_a_single_run_cannot_become_a_comparison(tmp_path: Path) -> None:
    run_all(comparison.new_tasks(digits_experiment("unweighted", run={"rounds": 2}), tmp_path / "out", CONTEXT), jobs=1)
    with pytest.raises(InputError, match="single run"):
        comparison.reopened_tasks(tmp_path / "out", {"run": {"seeds": 2}}, CONTEXT)
