"""pendigits: digits as the pen wrote them, eight points each.

Source: E. Alpaydin, F. Alimoglu, "Pen-Based Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998:
10,992 digits of 44 writers on a tablet, each resampled to 8 points (x, y) at equal distances along the way, scaled to
0..100. The split is theirs, by writers: the 7,494 digits of the first 30 for training, the 3,498 of the other 14 for
testing.

Read either from UCI's own two files, ``pendigits.tra`` and ``pendigits.tes`` (no header), or from one file
``pendigits.csv`` with a header, sixteen columns of values and ``class``, all rows in UCI's order.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options
from stalefl.data.labels import classes_of
from stalefl.data.tables import TextTable
from stalefl.formatting import shortly
from stalefl_timeseries.datasets.layouts import wide_series
from stalefl_timeseries.series import Array, Series, of_one_length, series_dataset

TRAINING = 7494
POINTS = 8
DIGITS = tuple("0123456789")


class PenDigitsOptions(Options):
    source: str = Field(
        "pendigits", description="the folder of the files; a relative one is looked up in the data folder"
    )


class PenDigits(DatasetPlugin):
    summary = "digits as the pen wrote them, 8 points (x, y): 7,494 training and 3,498 test series, of other writers"
    paper = "Alpaydin and Alimoglu, Pen-Based Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998"
    Options = PenDigitsOptions
    options: PenDigitsOptions

    def load(self, context: DataContext) -> Dataset:
        folder = context.data_dir / Path(self.options.source).expanduser()
        train, test = (_arrays(part) for part in _splits(folder))
        return series_dataset("pendigits", train, test, DIGITS, ("x", "y"))


def _splits(folder: Path) -> tuple[list[Series], list[Series]]:
    original = folder / "pendigits.tra", folder / "pendigits.tes"
    if all(path.is_file() for path in original):
        train, test = (_read(TextTable.read(path, header=[*map(str, range(2 * POINTS)), "class"])) for path in original)
        return train, test
    single = folder / "pendigits.csv"
    if not single.is_file():
        raise InputError(
            f"pendigits: neither pendigits.csv nor pendigits.tra and .tes in {folder}; "
            "name another folder with --data-dir"
        )
    series = _read(TextTable.read(single))
    if len(series) <= TRAINING:
        raise InputError(
            f"{single} has {len(series)} rows; valid: UCI's {TRAINING} for training, then those for testing"
        )
    return series[:TRAINING], series[TRAINING:]


def _read(table: TextTable) -> list[Series]:
    table.check_has(["class"])
    columns = table.columns[-1 - 2 * POINTS : -1]
    return wide_series(table, "class", columns, channels=2, order="time")


def _arrays(series: list[Series]) -> tuple[Array, torch.Tensor]:
    classes = classes_of([one.label for one in series], name="pendigits")
    if classes.names != DIGITS:
        found = f"{series[0].name} and below: classes {shortly(classes.names)}"
        raise InputError(f"{found}; valid: all digits, in every split")
    return of_one_length(series, "error", 0), classes.train
