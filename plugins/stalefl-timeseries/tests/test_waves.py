from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stalefl_timeseries.datasets.waves import CLASSES, Waves, shape

from stalefl.contracts import DataContext, InputError
from stalefl.registry import load_registry

TURNS = np.array([0, 0.25, 0.5, 0.75, 1.25])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("sine", [0, 1, 0, -1, 1]),
        ("triangle", [-1, 0, 1, 0, 0]),
        ("square", [1, 1, -1, -1, 1]),
        ("saw", [-1, -0.5, 0, 0.5, -0.5]),
        ("pulse", [1, -1, -1, -1, -1]),
    ],
)
def test_the_shapes(kind: str, values: list[float]) -> None:
    assert shape(kind, TURNS) == pytest.approx(values, abs=1e-12)


def test_there_are_as_many_series_of_every_class_as_asked_for() -> None:
    options = {"samples_per_class": 5, "length": 16}
    dataset = load_registry().create("dataset", "waves", options).load(DataContext(Path("none")))
    assert dataset.spec.shape == (1, 16)
    assert dataset.spec.class_names == CLASSES
    assert dataset.train.targets.bincount().tolist() == [5] * 6
    assert dataset.test.targets.bincount().tolist() == [2] * 6


def test_without_noise_a_square_has_two_values() -> None:
    options = {"samples_per_class": 1, "noise": 0.0}
    dataset = load_registry().create("dataset", "waves", options).load(DataContext(Path("none")))
    assert dataset.train.raw[CLASSES.index("square")].unique().numel() == 2


def test_more_waves_than_memory_holds_are_refused() -> None:
    with pytest.raises(InputError, match="waves: .* of memory are free; valid: smaller samples_per_class or length"):
        Waves(Waves.Options(samples_per_class=10**12)).load(DataContext(Path("nowhere")))
