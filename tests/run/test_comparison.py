from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stalefl.config.loading import experiment_to_toml
from stalefl.contracts import DataContext, InputError
from stalefl.machine.processes import new_stop
from stalefl.records.run_folder import RunFolder
from stalefl.run import comparison
from stalefl.run.comparison import check, run_tasks, single_runs
from stalefl.run.tasks import Task
from stalefl.storage import load_weights
from tests.fixtures import digits_experiment

CONTEXT = DataContext(Path("no-data-needed"))
METHODS = ("unweighted", "inversion")


def tasks(place: Path, rounds: int = 4, **known: Any) -> list[Task]:
    singles = single_runs(digits_experiment(METHODS, run={"rounds": rounds}))
    return [Task(e, place / str(e.method.name) / f"seed-{e.run.seed}", CONTEXT, **known) for e in singles]


def run_all(todo: list[Task], jobs: int, stop_after: int = 10**9) -> list[tuple[int, int]]:
    """(task, round) as the runs report them; asks them to stop after so many."""
    stop, seen = new_stop(), []

    def on_round(index: int, record: dict[str, Any]) -> None:
        seen.append((index, record["round"]))
        if len(seen) >= stop_after:
            stop.set()

    results = run_tasks(todo, jobs, on_round, stop)
    if stop_after == 10**9:
        assert [(r["method"], r["seed"]) for r in results if r] == [
            (task.experiment.method.name, task.experiment.run.seed) for task in todo
        ]
    else:
        assert None in results
    return seen


def records(task: Task) -> list[dict[str, Any]]:
    lines = RunFolder(task.path).read_rounds()
    return [{k: v for k, v in line.items() if not k.endswith("_seconds")} for line in lines]


def assert_same_records(some: list[Task], others: list[Task]) -> None:
    for one, other in zip(some, others, strict=True):
        assert records(one) == records(other)
        mine, theirs = (load_weights(RunFolder(task.path).weights) for task in (one, other))
        assert all((mine[name] == theirs[name]).all() for name in mine)


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


def test_a_method_that_does_not_exist_is_found_by_the_check() -> None:
    singles = single_runs(digits_experiment(("unweighted", "nothing")))
    with pytest.raises(InputError, match='unknown method "nothing"'):
        check(singles, CONTEXT)


def test_two_processes_give_the_records_of_one_and_of_a_stopped_and_resumed_comparison(tmp_path: Path) -> None:
    one, two, halved = (tasks(tmp_path / name) for name in ("one", "two", "halved"))
    everything = [(index, t) for index in range(2) for t in range(1, 5)]
    assert run_all(one, jobs=1) == everything
    assert sorted(run_all(two, jobs=2)) == everything
    assert_same_records(one, two)
    assert run_all(halved, jobs=1, stop_after=2) == everything[:2]
    assert not halved[1].path.exists()
    again = tasks(tmp_path / "halved", resume=True)
    assert run_all(again, jobs=1) == everything[2:]
    assert_same_records(one, again)


def test_resumed_with_more_rounds(tmp_path: Path) -> None:
    run_all(tasks(tmp_path / "grown", rounds=2), jobs=1)
    grown, long = tasks(tmp_path / "grown", resume=True), tasks(tmp_path / "long")
    assert run_all(grown, jobs=1) == [(0, 3), (0, 4), (1, 3), (1, 4)]
    run_all(long, jobs=1)
    assert_same_records(grown, long)


def test_an_existing_run_is_refused_without_resume(tmp_path: Path) -> None:
    todo = tasks(tmp_path, rounds=1)
    run_all(todo, jobs=1)
    with pytest.raises(InputError, match="exists and is not empty"):
        run_all(todo, jobs=1)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_bad_input_in_a_worker_comes_out_as_it_is(jobs: int, tmp_path: Path) -> None:
    todo = tasks(tmp_path, rounds=1)
    todo[1].path.mkdir(parents=True)
    (todo[1].path / "mine.txt").write_text("not a run")
    with pytest.raises(InputError, match="exists and is not empty"):
        run_all(todo, jobs)
    assert (todo[1].path / "mine.txt").read_text() == "not a run"


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


@pytest.mark.slow
def test_workers_stop_and_save_when_their_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(
        experiment_to_toml(digits_experiment(("unweighted", "weighted"), run={"rounds": 100000}))
    )
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "stalefl",
        "simulate",
        str(tmp_path / "long.toml"),
        "--jobs",
        "2",
        "--out",
        str(out),
    ]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    runs = [RunFolder(out / method / "seed-0") for method in ("unweighted", "weighted")]
    wait_until(lambda: all(run.rounds.exists() and len(run.read_rounds()) > 3 for run in runs))
    parent.kill()
    parent.wait()
    wait_until(lambda: all(_free(run) for run in runs))
    for run in runs:
        assert run.load_checkpoint()["simulation"]["round"] == len(run.read_rounds())


def _free(run: RunFolder) -> bool:
    try:
        with run.locked():
            return True
    except InputError:
        return False


def wait_until(done: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
