from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from stalefl.builtins.datasets.digits import Digits
from stalefl.contracts import DataContext, Dataset


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return Digits(Digits.Options()).load(DataContext(Path("nowhere")))


def test_every_class_has_140_training_samples(digits: Dataset) -> None:
    assert torch.bincount(digits.train.targets).tolist() == [140] * 10
    assert (len(digits.train), len(digits.test)) == (1400, 397)
    assert torch.bincount(digits.test.targets).min() >= 34


def test_the_split_divides_the_published_samples(digits: Dataset) -> None:
    together = torch.cat([digits.train.raw, digits.test.raw]).flatten(1)
    published = load_digits().data
    assert sorted(together.tolist()) == sorted(published.astype(int).tolist())


def test_the_split_is_always_the_same(digits: Dataset) -> None:
    again = Digits(Digits.Options()).load(DataContext(Path("elsewhere")))
    assert torch.equal(again.train.raw, digits.train.raw)
    assert digits.train.targets[:12].tolist() == again.train.targets[:12].tolist()


def test_inputs_lie_in_the_declared_range(digits: Dataset) -> None:
    inputs, targets = digits.train.take(torch.arange(1400))
    assert digits.train.raw.dtype == torch.uint8
    assert inputs.dtype == torch.float32
    assert inputs.shape == (1400, *digits.spec.shape) == (1400, 1, 8, 8)
    assert digits.spec.value_range == ((inputs.min().item(),), (inputs.max().item(),))
    assert inputs.mean().item() == pytest.approx(0, abs=0.01)
    assert inputs.std().item() == pytest.approx(1, abs=0.01)
    assert targets.dtype == torch.int64
    assert digits.spec.class_names == tuple("0123456789")
