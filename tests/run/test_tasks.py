from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from stalefl import registry
from stalefl.builtins.datasets.digits import Digits
from stalefl.config.loading import experiment_to_toml
from stalefl.contracts import DataContext, Dataset, Entry, InputError
from stalefl.hookspecs import hookimpl
from stalefl.machine.processes import new_stop
from stalefl.records.run_folder import RunFolder
from stalefl.run import tasks as module
from stalefl.run.comparison import new_tasks, reopened_tasks, single_runs
from stalefl.run.tasks import RunOutcome, Task, run_and_report, run_tasks
from tests.fixtures import digits_experiment
from tests.run.short_runs import CONTEXT, assert_same_run, run_all

DRAWING = {"matplotlib", "rich", "pyarrow", "pandas", "scipy", "sklearn"}
METHODS = ("unweighted", "inversion")


def tasks(place: Path, rounds: int = 4, **known: Any) -> list[Task]:
    singles = single_runs(digits_experiment(METHODS, run={"rounds": rounds}))
    return [Task(e, place / str(e.method.name) / f"seed-{e.run.seed}", CONTEXT, **known) for e in singles]


def assert_same_records(some: list[Task], others: list[Task]) -> None:
    for one, other in zip(some, others, strict=True):
        assert_same_run(RunFolder(one.path), RunFolder(other.path))


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


def test_a_crash_is_reported_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*arguments: Any) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(module, "run_task", crash)
    reported: list[RunOutcome] = []
    run_and_report(tasks(tmp_path)[0], reported.append, lambda: False)
    assert reported[0].error == "ZeroDivisionError: by nothing"
    assert "in crash" in reported[0].trace


def test_records_and_the_outcome_are_reported_and_no_outcome_of_a_stopped_run(tmp_path: Path) -> None:
    first, second = tasks(tmp_path, rounds=2)
    reported: list[Any] = []
    run_and_report(first, reported.append, lambda: False)
    assert [record["round"] for record in reported[:2]] == [1, 2]
    assert reported[2:] == [RunOutcome(RunFolder(first.path).read_result())]
    reported.clear()
    run_and_report(second, reported.append, lambda: True)
    assert [record["round"] for record in reported] == [1]


# --- a run is built once --------------------------------------------------------------------------------------------


class CountedDigits(Digits):
    """The digits, which know how often they have been loaded: once for each run that is built."""

    loads: ClassVar[int] = 0

    def load(self, context: DataContext) -> Dataset:
        CountedDigits.loads += 1
        return super().load(context)


@pytest.fixture
def counted_digits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The data set "counted", as an installed package offers it."""
    plugin = ModuleType("own_plugin")
    plugin.stalefl_datasets = hookimpl(lambda: [Entry("counted", CountedDigits)])  # type: ignore[attr-defined]
    installed = [*registry.installed_plugins(), registry.Plugin(plugin, "own-package", "1.0")]
    monkeypatch.setattr(registry, "installed_plugins", lambda: installed)
    monkeypatch.setattr(CountedDigits, "loads", 0)
    registry.load_registry.cache_clear()
    yield
    registry.load_registry.cache_clear()


@pytest.mark.parametrize(("methods", "runs"), [(("unweighted",), 1), (METHODS, 2)], ids=["one run", "two"])
def test_every_run_is_built_once(methods: tuple[str, ...], runs: int, tmp_path: Path, counted_digits: None) -> None:
    experiment = digits_experiment(methods, data={"dataset": "counted"}, run={"rounds": 1})
    todo = new_tasks(experiment, tmp_path / "out", CONTEXT)
    assert CountedDigits.loads == 1
    run_all(todo, jobs=1)
    assert CountedDigits.loads == runs
    assert [task.built for task in todo] == [None] * runs


def test_a_run_that_goes_on_is_built_once(tmp_path: Path, counted_digits: None) -> None:
    experiment = digits_experiment(data={"dataset": "counted"}, run={"rounds": 1})
    run_all(new_tasks(experiment, tmp_path / "out", CONTEXT), jobs=1)
    assert run_all(reopened_tasks(tmp_path / "out", {"run": {"rounds": 2}}, CONTEXT), jobs=1) == [(0, 2)]
    assert CountedDigits.loads == 2


# --- a worker -------------------------------------------------------------------------------------------------------


def test_a_worker_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    work = importlib.import_module("work_of_processes")
    todo = new_tasks(digits_experiment(METHODS, run={"rounds": 2}), tmp_path / "out", CONTEXT)
    loaded = run_tasks(work.packages_after_run, todo, 2, lambda index, record: None, new_stop())
    assert [task.built for task in todo] == [None, None]
    for packages in loaded:
        assert "torch" in packages
        assert not packages & DRAWING
    assert [len(RunFolder(task.path).read_rounds()) for task in todo] == [2, 2]
