"""The documents of a sweep: ``sweep.json``, ``failed.json`` and a row of ``results.parquet``."""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict

from stalefl.records.documents.common import SchemaNumber, document


@document
class SweepCell(TypedDict):
    """A cell of the grid."""

    name: str
    """the cell's folder below `cells/`"""
    values: dict[str, Any]
    """the cell's values, by dotted keys of the experiment"""


@document
class SweepIndex(TypedDict):
    """Of which runs the sweep consists: every cell with every seed, in `cells/NAME/seed-N`."""

    schema: SchemaNumber
    """the number of the document's form"""
    seeds: list[int]
    """seeds that every cell runs with"""
    cells: list[SweepCell]
    """the cells, in their order"""


@document
class RunFailure(TypedDict):
    """Why a run failed. The document has one for each run that failed, by the run's folder; without any there is no
    document."""

    error: str
    """the error, in one line"""
    trace: str
    """the traceback; empty for an error in the input"""


@document
class ResultRow(TypedDict):
    """One run that has ended. Columns beyond these are the cell's values, by dotted keys of the experiment, and the
    figures of the run's `result.json`, by dotted names, as `last_10.accuracy`; they are null for a run that failed.
    Values of several kinds in one column are written as JSON."""

    cell: str
    """the cell's folder below `cells/`"""
    seed: int
    """the run's seed"""
    error: NotRequired[str | None]
    """why the run failed; null for one that finished"""
