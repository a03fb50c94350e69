"""The run folder: what the other commands read."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from fakes import FakeGrid, Node
from federations import run
from stalefl_flower.run_writer import with_unheard
from typer.testing import CliRunner

from stalefl.cli.app import app
from stalefl.contracts import InputError
from stalefl.data.trace import TraceRow, read_trace


def slow_nodes() -> list[Node]:
    return [Node(100, 0), Node(101, 1, [2.6]), Node(102, 2)]


def test_what_is_under_way_arrives_after_the_end_and_who_was_never_heard_is_named() -> None:
    rows = with_unheard([TraceRow(0, 1, 2)], [(1, 2)], clients=4, after_round=5)
    assert rows == [(0, 1, 2), (1, 2, 6), (2, 6, 6), (3, 6, 6)]


def test_the_trace_is_one_that_the_simulator_reads(tmp_path: Path) -> None:
    run(FakeGrid(slow_nodes()), tmp_path / "run", rounds=4, replies=2)
    rows = read_trace(tmp_path / "run" / "arrivals.csv", clients=3)
    assert [row for row in rows if row.client == 1] == [(1, 1, 3), (1, 4, 5)]


def test_an_existing_folder_is_refused_unless_forced(tmp_path: Path) -> None:
    run(FakeGrid(slow_nodes()), tmp_path / "run", rounds=3, replies=2, export="all")
    with pytest.raises(InputError, match="exists and is not empty; valid: another federation.out"):
        run(FakeGrid(slow_nodes()), tmp_path / "run", rounds=1)
    run(FakeGrid(slow_nodes()), tmp_path / "run", rounds=1, force=True)
    assert not (tmp_path / "run" / "updates").exists()
    lines = (tmp_path / "run" / "federation.jsonl").read_text().splitlines()
    assert max(json.loads(line)["round"] for line in lines) == 1


@pytest.mark.parametrize(("export", "count"), [("none", 0), ("late", 1), ("all", 9)])
def test_exports_the_updates_that_are_asked_for(tmp_path: Path, export: str, count: int) -> None:
    run(FakeGrid(slow_nodes()), tmp_path / "run", rounds=4, replies=2, export=export)
    assert len(list((tmp_path / "run").glob("updates/*/update.json"))) == count


@pytest.mark.parametrize("command", ["invert", "privacy-audit"])
def test_exported_updates_are_read_by_the_commands_they_come_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    run(FakeGrid(slow_nodes()), tmp_path / "run", rounds=3, replies=2, export="late", config={"training.lr": 0.05})
    (place,) = (tmp_path / "run" / "updates").iterdir()
    assert place.name == "round-0003-client-001-from-0001"
    lines = [line for line in (place / "commands.sh").read_text().splitlines() if not line.startswith("#")]
    words = next(words for words in map(shlex.split, lines) if words[1] == command)
    short = {
        "invert": ["--iterations", "3", "--out", "found"],
        "privacy-audit": ["--attack", "llg", "--out", "found"],
    }[command]
    monkeypatch.chdir(place)
    result = CliRunner().invoke(app, [*words[1:], *short, "-q"])
    assert result.exit_code == 0, result.output
    assert (place / "found" / "result.json").exists()


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_a_federation_is_a_run_like_any_other(tmp_path: Path, command: str) -> None:
    run(FakeGrid(slow_nodes()), tmp_path / "run", rounds=3, replies=2)
    result = CliRunner().invoke(app, [command, str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
