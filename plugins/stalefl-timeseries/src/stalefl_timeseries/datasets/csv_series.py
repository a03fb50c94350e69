"""Any series from a CSV file, one series in a row or one time step in a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError
from stalefl.data.labels import Classes, classes_of
from stalefl.data.notices import tell_once
from stalefl.data.sources import find_source
from stalefl.data.tables import Row, TableOptions, TextTable
from stalefl.formatting import printable
from stalefl_timeseries.datasets.layouts import Order, long_series, one_value, tell_of_uneven_times, wide_series
from stalefl_timeseries.series import Series, Unequal, of_one_length, series_dataset, stratified

SPLITS = ("train", "test")
TIMES = ("time", "t", "step", "timestamp")
"""What a column of times is called, in letters of either size."""
UNNAMED = {"", "Unnamed: 0"}
"""As pandas writes the numbers of its rows."""


class CsvSeriesOptions(TableOptions):
    source: str = Field("", description="the file; a relative one is also looked up in the data folder")
    layout: Literal["wide", "long"] = Field(
        "wide", description="wide: a row is a series; long: a row is one time step of a series"
    )
    label: str = Field("label", description="the column of classes")
    columns: tuple[str, ...] = Field(
        (), strict=False, description="the columns of values, in order; default: all that have no other part"
    )
    channels: int = Field(1, ge=1, description="wide only: how many values one time step has")
    order: Order = Field(
        "time", description="wide only: rows go step by step (x1 y1 x2 y2), or channel by channel (x1 x2 y1 y2)"
    )
    series: str = Field("series", description="long only: the column that tells series apart")
    time: str = Field("", description="long only: the column to sort a series' rows by; default: as they come")
    split: str = Field("", description="the column that says train or test; default: test_fraction of every class")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of every class for testing, without split")
    split_seed: int = Field(0, ge=0, description="which series these are, without split")
    unequal: Unequal = Field(
        "error", description="series of unequal length: an error, pad with the last value and cut, or resample"
    )
    length: int = Field(0, ge=0, description="steps to pad or resample to; 0: those of the longest series")


class CsvSeries(DatasetPlugin):
    summary = "series from a CSV file, a row for each series or for each time step; csv-series:FILE"
    Options = CsvSeriesOptions
    options: CsvSeriesOptions

    def load(self, context: DataContext) -> Dataset:
        table = TextTable.read(find_file(self.options.source, context.data_dir), self.options)
        columns = self.options.columns or self._values(table)
        self._check_columns(table, columns)
        series = self._series(table, columns)
        place = f"csv-series: {table.path}"
        parts, classes = self._parts(self._said_splits(table), series, place)
        with _named(place):
            values = of_one_length(series, self.options.unequal, self.options.length)
        if self.options.unequal != "resample":
            tell_of_uneven_times(table.path, series)
        splits = zip((values[part] for part in parts), (classes.train, classes.test), strict=True)
        return series_dataset(f"csv-series:{self.options.source}", *splits, classes.names, self._channel_names(columns))

    def _channel_names(self, columns: Sequence[str]) -> Sequence[str]:
        """In the wide layout a channel is called as the first of its columns is, without that one's number."""
        channels = self.options.channels
        if self.options.layout == "long":
            return columns
        firsts = columns[:channels] if self.options.order == "time" else columns[:: len(columns) // channels]
        names = [re.sub(r"[\W_]*\d+$", "", first) for first in firsts]
        return names if all(names) and len(set(names)) == channels else firsts

    def _values(self, table: TextTable) -> tuple[str, ...]:
        others = {self.options.label, self.options.split}
        if self.options.layout == "long":
            others |= {self.options.series, self.options.time}
        columns = tuple(name for name in table.columns if name not in (others | UNNAMED))
        if any(not row.is_empty(name) for name in UNNAMED.intersection(table.columns) for row in table.rows):
            tell_once(f"{table.path}: a column without a name is left out; valid: a name for every column of values")
        if self.options.layout == "long" and not self.options.time:
            for name in columns:
                if name.lower() in TIMES:
                    tell_once(
                        f'{table.path}: column {name} is read as a channel; to sort by it: option time = "{name}"'
                    )
        return columns

    def _check_columns(self, table: TextTable, columns: tuple[str, ...]) -> None:
        """Raises InputError naming a column that is missing and the option that names it."""
        options = self.options
        named = {"columns": columns, "label": [options.label], "split": [options.split] * bool(options.split)}
        if options.layout == "long":
            wide = '; or, if a row is a series: layout = "wide"'
            table.check_has([options.series], f"name another with the option series{wide}")
            named["time"] = [options.time] * bool(options.time)
        for option, names in named.items():
            table.check_has(names, f"name another with the option {option}")

    def _series(self, table: TextTable, columns: tuple[str, ...]) -> list[Series]:
        options = self.options
        if options.layout == "long":
            return long_series(table, options.series, options.label, columns, options.time)
        try:
            return wide_series(table, options.label, columns, options.channels, options.order)
        except InputError as error:
            if not any(name == options.series or _is_of_words(table, name) for name in columns):
                raise
            raise InputError(f'{error}; or, if a row is one time step: layout = "long"') from error

    def _parts(
        self, said: list[str], series: Sequence[Series], place: str
    ) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], Classes]:
        """Indices of the training and of the test series, as the file has ``said`` or drawn, and their classes."""
        labels = [one.label for one in series]
        if not said:
            names, targets, _ = classes_of(labels, name=place)
            with _named(place):
                train, test = stratified(targets, names, self.options.test_fraction, self.options.split_seed)
            return (train.numpy(), test.numpy()), Classes(names, targets[train], targets[test])
        parts = [[k for k, each in enumerate(said) if each == part] for part in SPLITS]
        for part, indices in zip(SPLITS, parts, strict=True):
            if not indices:
                raise InputError(
                    f"{place}: no series is in the split {part}; valid: train or test in column {self.options.split}"
                )
        classes = classes_of(
            *([labels[k] for k in part] for part in parts),
            name=place,
            advice="without the option split a share of every class is for testing",
            where=lambda part, index: series[parts[part == "test"][index]].name,
        )
        return (np.array(parts[0]), np.array(parts[1])), classes

    def _said_splits(self, table: TextTable) -> list[str]:
        """The split of every series, in the order of the series; empty without a column that says it."""
        if not self.options.split:
            return []
        rows_of: dict[str, list[Row]] = {}
        for row in table.rows:
            key = row.text(self.options.series) if self.options.layout == "long" else str(row.line)
            rows_of.setdefault(key, []).append(row)
        return [self._split_of(rows, name) for name, rows in rows_of.items()]

    def _split_of(self, rows: list[Row], name: str) -> str:
        said = one_value(rows, self.options.split, f"series {name}")
        if said in SPLITS:
            return said
        where = f"{rows[0].path}, line {rows[0].line}, column {self.options.split}"
        raise InputError(f'{where}: "{printable(said[:40])}"; valid: train or test')


@contextmanager
def _named(place: str) -> Iterator[None]:
    """What goes wrong goes wrong at ``place``."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _is_of_words(table: TextTable, column: str) -> bool:
    """Whether a column names something: no cell of it is a number."""
    return not any(row.is_number(column) for row in table.rows)


def find_file(source: str, data_dir: Path) -> Path:
    """The file as given or, if relative, in the data folder. Raises InputError if it is in neither."""
    if not source:
        raise InputError("csv-series: name a file, as csv-series:FILE.csv")
    if (found := find_source(source, data_dir)) and found.is_file():
        return found
    raise InputError(f"csv-series: no file {source}, neither as given nor in {data_dir}")
