"""``results.parquet`` of a sweep: one row per run, for pandas, R or DuckDB."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from stalefl.config.loading import flat
from stalefl.storage import replacing


def run_row(result: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of ``result.json`` by their dotted names, as ``last_10.accuracy``."""
    return flat({key: value for key, value in result.items() if key != "schema"})


def write_results(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows`` whole, null where a row has no value. Raises InputError if ``path`` cannot be written."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column(name, [row.get(name) for row in rows]) for name in names}
    with replacing(path) as temporary:
        parquet.write_table(pyarrow.table(columns), temporary)


def _column(name: str, values: Sequence[Any]) -> pyarrow.Array:
    """Values of one kind as they are, whole and other numbers as numbers; of several kinds as JSON."""
    kinds = {type(value) for value in values if value is not None}
    if name == "error":
        return pyarrow.array(values, pyarrow.string())
    if kinds in (set(), {int, float}):
        return pyarrow.array(values, pyarrow.float64())
    if len(kinds) > 1 or (kinds & {dict, list, tuple} and not _numbers(values)):
        return pyarrow.array([None if value is None else json.dumps(value) for value in values])
    return pyarrow.array(values)


def _numbers(values: Sequence[Any]) -> bool:
    """Whether all are lists of numbers, as accuracies by class are."""
    lists = [value for value in values if value is not None]
    return all(
        isinstance(value, list) and all(item is None or type(item) in (int, float) for item in value) for value in lists
    )
