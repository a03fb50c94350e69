"""A federation and the simulator, given the same arrivals, are the same run, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeGrid, Node
from federations import run
from texts import TEXTS, installed

from stalefl.config.loading import load_experiment
from stalefl.contracts import DataContext
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.setup import build_run

SECONDS = ("server_seconds", "client_seconds")


def nodes() -> list[Node]:
    """On time; now 4 rounds late, now on time; joins in round 3; falls silent after its first reply; on time."""
    late = [
        Node(100, 0),
        Node(101, 1, [4.6, 1.0, 3.0]),
        Node(102, 2, joins=2.2),
        Node(103, 3, [1.0, None]),
        Node(104, 4),
    ]
    return late


def simulated(folder: RunFolder, out: Path) -> RunFolder:
    again = RunFolder.create(out)
    execute(build_run(load_experiment(folder.config), DataContext(Path("unused"))), again)
    return again


def without_seconds(folder: RunFolder) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key not in SECONDS} for record in folder.read_rounds()]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("unweighted", {}),
        ("weighted", {}),
        ("first-order", {}),
        ("fedbuff", {}),
        ("ca2fl", {}),
        ("inversion", {"iterations": 3}),
    ],
)
def test_equals_the_simulated_run_of_its_trace(tmp_path: Path, method: str, options: dict[str, Any]) -> None:
    config = {"method.name": method, **{f"method.options.{key}": value for key, value in options.items()}}
    grid = FakeGrid(nodes())
    run(grid, tmp_path / "run", rounds=8, clients=5, clients_to_start=3, replies=3, round_seconds=3.0, config=config)
    federated = RunFolder.open(tmp_path / "run")
    assert any(record["stale_updates"] for record in federated.read_rounds())

    again = simulated(federated, tmp_path / "again")
    assert without_seconds(federated) == without_seconds(again)
    assert federated.weights.read_bytes() == again.weights.read_bytes()


def test_a_federation_on_texts_equals_the_simulated_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server inverts updates into the words' vectors, which are inputs that can be optimised; tokens are not."""
    method = {"method.name": "inversion", "method.options.iterations": 3, "model.options": {}}
    with installed(monkeypatch):
        config = {**TEXTS, **method}
        run(FakeGrid(nodes()), tmp_path / "run", rounds=6, clients=5, clients_to_start=3, replies=3, config=config)
        federated = RunFolder.open(tmp_path / "run")
        again = simulated(federated, tmp_path / "again")
    records = federated.read_rounds()
    assert any(late["iterations"] for record in records for late in record["late_updates"])
    assert not any(record["rejected_updates"] for record in records)
    assert without_seconds(federated) == without_seconds(again)
    assert federated.weights.read_bytes() == again.weights.read_bytes()


def test_mini_batches_are_drawn_as_the_simulator_draws_them(tmp_path: Path) -> None:
    config = {"training.batch_size": 64}
    run(FakeGrid(nodes()), tmp_path / "run", rounds=3, clients=5, clients_to_start=3, config=config, round_seconds=2.0)
    federated = RunFolder.open(tmp_path / "run")
    assert without_seconds(federated) == without_seconds(simulated(federated, tmp_path / "again"))


def test_the_result_is_that_of_any_run(tmp_path: Path) -> None:
    run(FakeGrid(nodes()), tmp_path / "run", rounds=6, clients=5, clients_to_start=3, round_seconds=3.0)
    again = simulated(RunFolder.open(tmp_path / "run"), tmp_path / "again")
    mine = json.loads((tmp_path / "run" / "result.json").read_text())
    theirs = json.loads(again.result.read_text())
    for seconds in (*SECONDS, "wall_seconds"):
        del mine[seconds], theirs[seconds]
    assert mine == theirs
