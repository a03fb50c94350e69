"""Observers of whole runs: what they are told, and that the run is the same with and without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stalefl import registry
from stalefl.cli import main
from stalefl.config.grid import Cell
from stalefl.config.loading import load_experiment
from stalefl.contracts import DataContext, Entry, InputError, Observer, Options
from stalefl.hookspecs import hookimpl
from stalefl.records.run_folder import RunFolder
from stalefl.run import comparison
from stalefl.run.checking import check_cells
from stalefl.run.execute import execute
from stalefl.run.parts import make_observers
from stalefl.run.setup import build_run
from tests.fixtures import digits_experiment

CONTEXT = DataContext(Path("no-data-needed"))


class DiaryOptions(Options):
    word: str = "round"


class Diary(Observer):
    """Writes down what it is told, a line each, behind what is there."""

    Options = DiaryOptions
    options: DiaryOptions

    def begin(self, watched):
        self.path = watched.folder / "diary.txt"
        self.note(f"begin {watched.settings['method']['name']} after {len(watched.records)}")

    def observe(self, record, method_state):
        self.note(f"{self.options.word} {record['round']} {sorted(method_state)}")

    def end(self, result):
        self.note("end" if result is None else f"end {result['rounds']}")

    def note(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{line}\n")


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The observer "diary", as an installed package offers it."""
    module = ModuleType("own_plugin")
    module.stalefl_observers = hookimpl(lambda: [Entry("diary", Diary)])  # type: ignore[attr-defined]
    installed = [*registry.installed_plugins(), registry.Plugin(module, "own-package", "1.0")]
    monkeypatch.setattr(registry, "installed_plugins", lambda: installed)
    registry.load_registry.cache_clear()
    yield
    registry.load_registry.cache_clear()


def run(folder: RunFolder, rounds: int = 3, **known: Any) -> list[str]:
    execute(
        build_run(digits_experiment(run={"rounds": rounds}), CONTEXT),
        folder,
        observers=[Diary(DiaryOptions())],
        **known,
    )
    return (folder.path / "diary.txt").read_text().splitlines()


def test_an_observer_is_told_of_every_round_and_of_the_end(tmp_path: Path) -> None:
    told = run(RunFolder.create(tmp_path / "run"))
    assert told == ["begin unweighted after 0", "round 1 []", "round 2 []", "round 3 []", "end 3"]


def test_a_run_that_is_stopped_ends_without_a_result_and_goes_on_after_its_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    assert run(folder, should_stop=lambda: True) == ["begin unweighted after 0", "round 1 []", "end"]
    assert run(folder, resume=True)[3:] == ["begin unweighted after 1", "round 2 []", "round 3 []", "end 3"]


def test_an_observer_is_told_the_end_of_a_run_that_fails(tmp_path: Path) -> None:
    def fail(record: dict[str, Any]) -> None:
        raise RuntimeError("no more")

    folder = RunFolder.create(tmp_path / "run")
    with pytest.raises(RuntimeError, match="no more"):
        run(folder, on_round=fail)
    assert (folder.path / "diary.txt").read_text() == "begin unweighted after 0\nend\n"


def test_what_the_method_remembers_is_seen(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Sees(Observer):
        def observe(self, record, method_state):
            seen.append(sorted(method_state["recovered"]))

    experiment = digits_experiment("inversion", run={"rounds": 3})
    execute(build_run(experiment, CONTEXT), RunFolder.create(tmp_path / "run"), observers=[Sees(Options())])
    (late,) = build_run(experiment, CONTEXT).late_clients
    assert seen == [[], [], [late]]


def test_the_records_are_those_of_a_run_without_observers(tmp_path: Path) -> None:
    experiment = digits_experiment("inversion")
    alone, watched = (RunFolder.create(tmp_path / name) for name in ("alone", "watched"))
    execute(build_run(experiment, CONTEXT), alone)
    execute(build_run(experiment, CONTEXT), watched, observers=[Diary(DiaryOptions())])
    assert alone.weights.read_bytes() == watched.weights.read_bytes()


def test_every_run_of_a_comparison_has_its_own(tmp_path: Path, diary: None) -> None:
    common = ["--rounds", "2", "--jobs", "1", "--device", "cpu", "--set", "partition.samples_per_client=10", "-q"]
    methods = [
        "--method",
        "unweighted",
        "--method",
        "weighted",
        "--observer",
        "diary",
        "--set",
        "observers.options.diary.word=turn",
    ]
    assert main(["simulate", *methods, *common, "--out", str(tmp_path / "runs")]) == 0
    for method in ("unweighted", "weighted"):
        lines = (tmp_path / "runs" / method / "seed-0" / "diary.txt").read_text().splitlines()
        assert lines == [f"begin {method} after 0", "turn 1 []", "turn 2 []", "end 2"]


def test_a_run_that_goes_on_may_be_given_one(tmp_path: Path, diary: None) -> None:
    place = str(tmp_path / "run")
    common = ["--rounds", "1", "--jobs", "1", "--device", "cpu", "--set", "partition.samples_per_client=10", "-q"]
    assert main(["simulate", "--method", "unweighted", *common, "--out", place]) == 0
    assert main(["simulate", "--resume", place, "--rounds", "2", "--observer", "diary", "-q"]) == 0
    lines = (tmp_path / "run" / "diary.txt").read_text().splitlines()
    assert lines == ["begin unweighted after 1", "round 2 []", "end 2"]


def test_options_of_another_observer_are_left_out_where_one_is_named(tmp_path: Path, diary: None) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text('[observers]\nnames = ["a", "diary"]\n[observers.options]\na = {x = 1}\ndiary = {word = "turn"}\n')
    (observer,) = make_observers(load_experiment(file, flags={"observers": {"names": ["diary"]}}))
    assert observer.options == DiaryOptions(word="turn")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--observer", "dairy"], 'unknown observer "dairy"; did you mean "diary"'),
        (
            ["--observer", "diary", "--set", "observers.options.diary.wrod='x'"],
            'options of observer "diary": unknown "wrod"; did you mean "word"',
        ),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_written(
    options: list[str], message: str, tmp_path: Path, diary: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--method", "unweighted", *options, "-q", "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_sweep_finds_an_unknown_observer_before_it_starts() -> None:
    cell = Cell("cell", {}, digits_experiment(observers={"names": ["nobody"]}))
    with pytest.raises(InputError, match='cell .*: unknown observer "nobody"'):
        check_cells([cell], CONTEXT)


def test_a_run_is_looked_into_without_its_observers(tmp_path: Path) -> None:
    """Where their package is not installed."""
    assert build_run(digits_experiment(observers={"names": ["nobody"]}), CONTEXT).late_clients
    with pytest.raises(InputError, match='unknown observer "nobody"'):
        comparison.new_tasks(digits_experiment(observers={"names": ["nobody"]}), tmp_path / "run", CONTEXT)
