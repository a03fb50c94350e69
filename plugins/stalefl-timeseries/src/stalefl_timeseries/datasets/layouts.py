"""The two ways in which CSV files hold series: a row for each series, or a row for each time step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from stalefl.contracts import InputError
from stalefl.data.notices import tell_once
from stalefl.data.tables import Row, TextTable
from stalefl.formatting import printable
from stalefl_timeseries.series import Array, Series

Order = Literal["time", "channel"]
UNEVEN = 2
"""Times the shortest step."""


def wide_series(table: TextTable, label: str, columns: Sequence[str], channels: int, order: Order) -> list[Series]:
    """One series per row, its values in ``columns``: step by step (x1 y1 x2 y2) or channel by channel (x1 x2 y1 y2).

    Empty cells at the end make a series shorter. Raises InputError naming row and column.
    """
    if not columns or len(columns) % channels:
        raise InputError(
            f"{table.path}: {len(columns)} columns of values do not make series of {channels} channels; valid: a "
            f"multiple of {channels} columns (option columns), or other channels"
        )
    steps = len(columns) // channels
    of_channel = [
        columns[c::channels] if order == "time" else columns[c * steps : (c + 1) * steps] for c in range(channels)
    ]
    return [Series(f"line {row.line}", row.text(label), _wide_values(row, of_channel)) for row in table.rows]


def _wide_values(row: Row, of_channel: Sequence[Sequence[str]]) -> Array:
    """[C, L]. A cell that is empty although one follows in its channel, or in another channel at its step, is an
    error."""
    steps = max((k + 1 for names in of_channel for k, name in enumerate(names) if not row.is_empty(name)), default=0)
    if not steps:
        raise InputError(f"{row.path}, line {row.line}: a series without values; valid: one step or more")
    return np.array([[row.number(name) for name in names[:steps]] for names in of_channel], dtype=np.float32)


def long_series(table: TextTable, series: str, label: str, columns: Sequence[str], time: str) -> list[Series]:
    """One time step per row: the rows of one ``series`` belong together and have one label.

    They are sorted by ``time`` (a number or ISO 8601), or stay as they come. Each of ``columns`` is a channel. Raises
    InputError naming row and column, or the series.
    """
    if not columns:
        raise InputError(f"{table.path}: no columns of values; valid: one for each channel")
    rows_of: dict[str, list[Row]] = {}
    for row in table.rows:
        rows_of.setdefault(row.text(series), []).append(row)
    found = []
    for name, rows in rows_of.items():
        times = None
        if time:
            rows, times = _in_time(rows, time)
        values = np.array([[row.number(column) for column in columns] for row in rows], dtype=np.float32)
        found.append(Series(f"series {name}", one_value(rows, label, f"series {name}"), values.T, times))
    return found


def _in_time(rows: Sequence[Row], time: str) -> tuple[list[Row], Array]:
    """The rows by time, and their times: numbers, or seconds since the first of ISO 8601."""
    said = [row.time(time) for row in rows]
    if other := next((row for row, (iso, _) in zip(rows, said, strict=True) if iso != said[0][0]), None):
        raise InputError(
            f"{other.place(time)}: a number here, a time of ISO 8601 elsewhere in its series; valid: all of one kind"
        )
    order = sorted(range(len(rows)), key=lambda k: said[k][1])
    times = np.array([said[k][1] for k in order])
    return [rows[k] for k in order], times - times[0]


def tell_of_uneven_times(path: Path, series: Sequence[Series]) -> None:
    """Warn of steps that are taken as even although one is more than twice as long as another."""
    for one in series:
        gaps = np.diff(one.times) if one.times is not None else np.empty(0)
        if len(gaps) and gaps.max() > UNEVEN * gaps.min():
            tell_once(
                f"{path}: the times of {one.name} are not even, yet its steps are taken as even; to interpolate "
                'at even times: unequal = "resample"'
            )
            return


def one_value(rows: Sequence[Row], column: str, what: str) -> str:
    """What all ``rows`` have in ``column``. Raises InputError naming the row that has something else."""
    first = rows[0].text(column)
    if other := next((row for row in rows if row.text(column) != first), None):
        raise InputError(
            f'{other.path}, line {other.line}, column {column}: "{printable(other.text(column)[:40])}", '
            f'but {what} has "{printable(first[:40])}" before; valid: one in all its rows'
        )
    return first
