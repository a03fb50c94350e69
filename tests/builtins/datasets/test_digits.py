from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from stalefl.builtins.datasets import digits as module
from stalefl.builtins.datasets.digits import Digits, _rows_of_scikit_learn
from stalefl.contracts import DataContext, Dataset, InputError


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return Digits(Digits.Options()).load(DataContext(Path("nowhere")))


def test_every_class_has_140_training_samples(digits: Dataset) -> None:
    assert torch.bincount(digits.train.targets).tolist() == [140] * 10
    assert (len(digits.train), len(digits.test)) == (1400, 397)
    assert torch.bincount(digits.test.targets).min() >= 34


def test_they_are_the_samples_that_scikit_learn_reads(digits: Dataset) -> None:
    pixels, labels = load_digits(return_X_y=True)
    read = _rows_of_scikit_learn()
    assert (read[:, :-1] == pixels).all()
    assert (read[:, -1] == labels).all()
    together = torch.cat([digits.train.raw, digits.test.raw]).flatten(1)
    assert sorted(together.tolist()) == sorted(pixels.astype(int).tolist())


@pytest.mark.parametrize("installed", [True, False])
def test_without_the_file_the_error_names_it_in_one_line(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleSpec("sklearn", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(module, "find_spec", lambda name: package if installed else None)
    file = (tmp_path if installed else Path("sklearn")) / "datasets/data/digits.csv.gz"
    with pytest.raises(InputError) as caught:
        Digits(Digits.Options()).load(DataContext(Path("nowhere")))
    assert str(caught.value) == f"cannot read the data set digits from {file}; valid: an installed scikit-learn"


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
