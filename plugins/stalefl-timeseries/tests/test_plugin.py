"""What the package offers, by the checks of stalefl's own kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.config.loading import load_experiment
from stalefl.contracts import DataContext
from stalefl.registry import load_registry
from stalefl.testing import check_dataset, check_model

HERE = DataContext(Path(__file__).parents[1] / "examples")


@pytest.mark.parametrize("name", ["cnn1d", "gru"])
def test_models_conform(name: str) -> None:
    found = check_model(load_registry().load("model", name), {"dropout": 0.3})
    assert {finding.status for finding in found} == {"passed"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("waves", {"samples_per_class": 4}),
        ("csv-series", {"source": "gestures-wide.csv", "channels": 2}),
        ("csv-series", {"source": "gestures-long.csv", "layout": "long", "time": "time"}),
    ],
)
def test_data_sets_conform(name: str, options: dict[str, object]) -> None:
    found = check_dataset(load_registry().load("dataset", name), options, HERE)
    assert {finding.status for finding in found} == {"passed"}


@pytest.mark.parametrize("name", ["pendigits.toml", "pendigits-audit.toml"])
def test_the_examples_can_be_read(name: str) -> None:
    experiment = load_experiment(HERE.data_dir / name)
    assert (experiment.data.dataset, experiment.model.name) == ("pendigits", "cnn1d")
