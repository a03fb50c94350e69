from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from stalefl.contracts import DataContext
from stalefl.inversion.recovery import RecoveryOptions
from stalefl.records.inversion_folder import InversionFolder
from stalefl.run.setup import build_run
from stalefl.storage import load_weights
from stalefl.updates.inversion_records import write_inversion
from stalefl.updates.invert import invert, surfaces
from stalefl.updates.observed import ObservedUpdate, from_run
from tests.fixtures import digits_experiment

QUICK = RecoveryOptions(size=6, iterations=30)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> ObservedUpdate:
    """The update of the late client of class 5 in round 5."""
    return from_run(build_run(digits_experiment(), DataContext(tmp_path_factory.mktemp("data"))), 5, 5)


@pytest.fixture(scope="module")
def on_time(tmp_path_factory: pytest.TempPathFactory) -> ObservedUpdate:
    return from_run(build_run(digits_experiment(), DataContext(tmp_path_factory.mktemp("data"))), 0, 1)


def test_an_update_on_time_has_no_estimate(on_time: ObservedUpdate, tmp_path: Path) -> None:
    inverted = invert(on_time, QUICK, seed=0)
    folder = InversionFolder(tmp_path / "out")
    folder.make()
    result = write_inversion(inverted, {}, folder)
    assert [result[key] for key in ("stale_error", "estimate_error", "anchored_estimate_error")] == [None] * 3
    assert result["staleness_rounds"] == 0
    assert not folder.estimate.exists()


def test_all_is_written_and_read_back(late: ObservedUpdate, tmp_path: Path) -> None:
    inverted = invert(late, QUICK, seed=0)
    folder = InversionFolder(tmp_path / "out")
    folder.make()
    result = write_inversion(inverted, surfaces(inverted), folder)
    assert json.loads(folder.result.read_text()) == result
    assert folder.written() == list(InversionFolder.FILES)
    recovered = load_weights(folder.recovered)
    assert torch.equal(recovered["inputs"], inverted.data.inputs)
    assert torch.equal(recovered["labels"], inverted.data.labels)
    assert inverted.estimate is not None
    estimate = late.view.model.layout.from_named(load_weights(folder.estimate))
    assert torch.equal(estimate, inverted.estimate)
