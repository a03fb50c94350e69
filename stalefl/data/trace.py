"""A trace of arrivals: a CSV file that says which client was given the model in which round, and when it delivered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stalefl.contracts import InputError
from stalefl.data.tables import read_cells

TRACE_COLUMNS = ("client", "dispatched_round", "arrived_round")
MOST_DIGITS = 18


class TraceRow(NamedTuple):
    """One local training, in rounds from 1; clients from 0."""

    client: int
    dispatched_round: int
    arrived_round: int


def read_trace(path: Path | str, clients: int) -> tuple[TraceRow, ...]:
    """The rows of a trace, as they stand in the file; other columns than ``TRACE_COLUMNS`` are left alone.

    Raises InputError, naming file and line, for a file that cannot be read, a missing column, a value that is no whole
    number, a client that is none of the ``clients``, an arrival before its dispatch, and a client that is given the
    model twice in one round. Rounds in which nobody arrives, and clients that fall silent, are no error.
    """
    first_line: dict[tuple[int, int], int] = {}
    rows = []
    for line, row in _rows(Path(path)):
        place = f"{path}, line {line}"
        _check(row, clients, place)
        begun = row.client, row.dispatched_round
        if begun in first_line:
            raise InputError(
                f"{place}: client {row.client} is given the model of round {row.dispatched_round} a second time, after "
                f"line {first_line[begun]}; valid: one row for each client and dispatched_round"
            )
        first_line[begun] = line
        rows.append(row)
    if not rows:
        raise InputError(
            f"{path}: names no update; valid: one row for each, below the heading {','.join(TRACE_COLUMNS)}"
        )
    return tuple(rows)


def late_in_trace(rows: tuple[TraceRow, ...]) -> tuple[int, ...]:
    """The clients with a late update, in ascending order."""
    return tuple(sorted({row.client for row in rows if row.arrived_round > row.dispatched_round}))


def _rows(path: Path) -> Iterator[tuple[int, TraceRow]]:
    """Each row with the number of its line."""
    heading, rows = read_cells(path)
    for column in TRACE_COLUMNS:
        if column not in heading:
            raise InputError(f"{path}, line 1: no column {column}; valid: a heading {','.join(TRACE_COLUMNS)}")
    for line, values in rows:
        yield line, _row(list(heading), values, f"{path}, line {line}")


def _row(heading: list[str], values: list[str], place: str) -> TraceRow:
    if len(values) != len(heading):
        raise InputError(f"{place}: {len(values)} values; valid: {len(heading)}, as in the heading")
    by_name = dict(zip(heading, values, strict=True))
    return TraceRow(*(_whole_number(by_name[column].strip(), column, place) for column in TRACE_COLUMNS))


def _whole_number(text: str, column: str, place: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise InputError(f"{place}: {column} = {text[:40]!r} is not valid; valid: a whole number")
    if len(text) > MOST_DIGITS:
        raise InputError(f"{place}: {column} has {len(text)} digits; valid: up to {MOST_DIGITS}")
    return int(text)


def _check(row: TraceRow, clients: int, place: str) -> None:
    if not 0 <= row.client < clients:
        raise InputError(f"{place}: there is no client {row.client}; valid: 0 to {clients - 1}")
    if row.dispatched_round < 1:
        raise InputError(f"{place}: dispatched_round = {row.dispatched_round} is not valid; valid: rounds from 1")
    if row.arrived_round < row.dispatched_round:
        raise InputError(
            f"{place}: arrives in round {row.arrived_round}, before it is given the model in round "
            f"{row.dispatched_round}; valid: that round or a later one"
        )
