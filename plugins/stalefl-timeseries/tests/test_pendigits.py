from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stalefl_timeseries.datasets import pendigits

from stalefl.contracts import DataContext, Dataset, InputError
from stalefl.registry import load_registry

NAMES = [f"c{k}" for k in range(1, 17)]


def row(digit: int, first: int = 0) -> str:
    return ",".join(map(str, [*range(first + digit, first + digit + 16), digit]))


def load(folder: Path, **options: Any) -> Dataset:
    dataset: Dataset = load_registry().create("dataset", "pendigits", options).load(DataContext(folder))
    return dataset


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pendigits").mkdir()
    return tmp_path / "pendigits"


def test_ucis_own_two_files_are_read(place: Path) -> None:
    for name, first in (("pendigits.tra", 0), ("pendigits.tes", 1)):
        # UCI puts blanks before its numbers.
        (place / name).write_text("\n".join(row(digit, first).replace(",", ",  ") for digit in range(10)) + "\n")
    dataset = load(place.parent)
    assert (len(dataset.train), len(dataset.test), dataset.spec.shape) == (10, 10, (2, 8))
    assert dataset.train.raw[3].tolist() == [[3, 5, 7, 9, 11, 13, 15, 17], [4, 6, 8, 10, 12, 14, 16, 18]]
    assert dataset.test.raw[3, 0, 0] == 4


def test_one_file_is_divided_as_uci_divides_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pendigits, "TRAINING", 20)
    rows = [f'"{k}",{row(k % 10, k // 20)}' for k in range(30)]
    (place / "pendigits.csv").write_text("\n".join([",".join(["", *NAMES, "class"]), *rows]))
    dataset = load(place.parent)
    assert (len(dataset.train), len(dataset.test)) == (20, 10)
    assert dataset.test.targets.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "neither pendigits.csv nor pendigits.tra and .tes in"),
        (",".join([*NAMES, "class"]) + f"\n{row(1)}\n", "pendigits.csv has 1 rows; valid: UCI's 7494 for training"),
        (",".join([*NAMES, "digit"]) + f"\n{row(1)}\n", 'pendigits.csv has no column "class"'),
    ],
)
def test_other_files_are_refused(text: str | None, message: str, place: Path) -> None:
    if text:
        (place / "pendigits.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        load(place.parent)


def test_another_folder_may_be_named(place: Path) -> None:
    with pytest.raises(InputError, match="in .*/elsewhere;"):
        load(place.parent, source="elsewhere")


def test_missing_digits_are_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pendigits.tra", "pendigits.tes"):
        (place / name).write_text("\n".join(row(digit) for digit in range(9)) + "\n")
    with pytest.raises(InputError, match="classes 0, 1, 2, 3, 4 and 4 more; valid: all digits"):
        load(place.parent)


@pytest.mark.realdata
def test_the_real_digits(real_data: Path) -> None:
    dataset = load(real_data)
    # As UCI's own description counts them.
    assert dataset.train.targets.bincount().tolist() == [780, 779, 780, 719, 780, 720, 720, 778, 719, 719]
    assert dataset.test.targets.bincount().tolist() == [363, 364, 364, 336, 364, 335, 336, 364, 336, 336]
    assert (dataset.train.raw.min(), dataset.train.raw.max()) == (0, 100)
