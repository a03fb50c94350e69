"""The experiments in examples/ are valid, and run, made small, on the real data where it is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stalefl.cli import main
from stalefl.config.loading import load_experiment, method_names
from stalefl.registry import load_registry

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.toml"))
SMALL = [
    *["--seeds", "1", "--rounds", "3", "--jobs", "1", "--set", "staleness.rounds=2"],
    *["--set", "partition.clients=10", "--set", "partition.samples_per_client=8", "--set", "staleness.late_clients=1"],
    *["--set", "training.clients_per_round=1.0"],
    *["--set", "method.options.inversion.iterations=2", "--set", "method.options.inversion.size=4"],
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_names_and_options_exist(path: Path) -> None:
    experiment, registry = load_experiment(path), load_registry()
    registry.create("dataset", experiment.data.dataset, experiment.data.options)
    registry.create("model", experiment.model.name, experiment.model.options)
    for name in method_names(experiment.method):
        registry.load("method", name)
    assert experiment.run.seeds >= 3


@pytest.mark.realdata
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_method_runs(path: Path, tmp_path: Path) -> None:
    assert main(["simulate", str(path), *SMALL, "-q", "--out", str(tmp_path / "runs")]) == 0
    methods = json.loads((tmp_path / "runs" / "summary.json").read_text())["methods"]
    assert set(methods) == set(method_names(load_experiment(path).method))
    assert all(figures["stale_updates"] == 1 for name, figures in methods.items() if name != "unstale")
