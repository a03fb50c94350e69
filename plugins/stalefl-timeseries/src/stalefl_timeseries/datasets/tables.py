"""CSV files as cells that know where they stand."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stalefl.config.explain import nearest
from stalefl.contracts import InputError


@dataclass(frozen=True)
class Row:
    """One row below the header; ``line`` counts the file's lines from 1."""

    path: Path
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """What stands in ``column``. Raises InputError naming row and column if that is nothing."""
        if text := self.cells[column].strip():
            return text
        raise InputError(f"{self.path}, line {self.line}, column {column}: empty; valid: a value in every row")

    def number(self, column: str) -> float:
        """The number in ``column``. Raises InputError naming row and column if there is no finite one."""
        text = self.text(column)
        if math.isfinite(value := _as_number(text)):
            return value
        raise InputError(f'{self.path}, line {self.line}, column {column}: "{text}" is not a number')

    def is_number(self, column: str) -> bool:
        return math.isfinite(_as_number(self.cells[column]))

    def is_empty(self, column: str) -> bool:
        return not self.cells[column].strip()


def _as_number(text: str) -> float:
    """NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class Table:
    """A CSV file with a header. Raises InputError, when opened, if it cannot be read, is empty or has a name twice."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path, delimiter: str = ",", header: Sequence[str] = ()) -> Table:
        """``header`` names the columns of a file that does not."""
        try:
            # utf-8-sig: spreadsheets begin their files with a mark of their own.
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, delimiter=delimiter)
                columns = tuple(header) or tuple(name.strip() for name in next(reader, ()))
                rows = tuple(_rows(path, columns, reader))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} cannot be read: {error}; valid: a CSV file in UTF-8") from error
        if not rows:
            raise InputError(f"{path} is empty; valid: a header and at least one row")
        if twice := [name for name in columns if columns.count(name) > 1]:
            raise InputError(f'{path} has the column "{twice[0]}" twice; valid: every name once')
        return cls(path, columns, rows)

    def check_has(self, names: Sequence[str], advice: str = "") -> None:
        """Raises InputError naming a column that is missing; ``advice`` is what to do about it."""
        if missing := [name for name in names if name not in self.columns]:
            said = f"{advice}; {nearest(missing[0], self.columns)}".removeprefix("; ")
            raise InputError(f'{self.path} has no column "{missing[0]}"; {said}')


def _rows(path: Path, columns: Sequence[str], reader: Iterator[list[str]]) -> Iterator[Row]:
    for cells in reader:
        line = reader.line_num  # type: ignore[attr-defined]
        if len(cells) > len(columns):
            raise InputError(f"{path}, line {line}: {len(cells)} cells, but the header names {len(columns)} columns")
        if any(cell.strip() for cell in cells):
            # A row that ends early is one of empty cells.
            yield Row(path, line, dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=True)))
