"""The one reader of tables in text files (CSV, TSV): cells that know where they stand.

Encoding: UTF-8, UTF-16 and UTF-32 by their marks, else UTF-8, else the Western one of Windows, and a warning says so.
Delimiter: the one of ``,`` ``;`` tab and ``|`` that divides the header and fits the rows, unless an option names it.
Numbers have a decimal point, or a decimal comma where a column can only mean this; an option says which. Lines end at
newlines alone, not at the other separators of Unicode. Every cell is a text, "NA", "null" and "true" as well.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Literal

from pydantic import Field

from stalefl.config.explain import nearest
from stalefl.contracts import InputError, Options
from stalefl.data.memory import check_memory
from stalefl.data.notices import tell_once
from stalefl.formatting import printable

DELIMITERS = ("\t", ";", "|", ",")
ROWS_TRIED = 50
LONGEST_WHOLE = 20
"""Characters of a number of 64 bits."""
LONGEST_CELL = 2**27
BYTES_PER_BYTE = 4
"""What a text takes in memory for each byte in its file, about."""
BYTES_PER_CELL = 150
NAMES_SHOWN = 20
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = ("cp1252", "latin-1")
GREATEST_NUMBER = 3.4e38
"""What 32 bits hold."""
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
COMMA_NUMBER = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
"""Could be a number without a fraction as well."""


class TableOptions(Options):
    """How a table is written, for data sets of CSV files."""

    delimiter: str = Field(
        "", max_length=1, description="of tables: what stands between cells; default: found in the file"
    )
    decimal: Literal["auto", ".", ","] = Field(
        "auto", description="of tables: the decimal point or comma of numbers; auto: found for each column"
    )
    encoding: str = Field("", description="of tables: the encoding, as cp1252; default: by the file's mark, else UTF-8")


def read_text(path: Path, encoding: str = "") -> str:
    """The text of a file. Raises InputError if it is no regular file, cannot be read or is in another encoding."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} cannot be read: no regular file; valid: a text file")
        check_memory(path.stat().st_size * BYTES_PER_BYTE, f"{path} in memory", "valid: a smaller file")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    chosen = encoding or next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    try:
        if "\0" not in (text := content.decode(chosen)):  # which UTF-16 without its mark would have
            return text
    except LookupError:
        raise InputError(f"{path}: there is no encoding {encoding}; valid: as utf-8, cp1252") from None
    except (UnicodeError, ValueError):
        if chosen == "utf-8" and not encoding and b"\0" not in content:
            return _western(path, content)
    raise InputError(f"{path} cannot be read: it is no text in {chosen}; valid: UTF-8, or another named as encoding")


def _western(path: Path, content: bytes) -> str:
    for encoding in WESTERN:
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        tell_once(
            f"{path} is no UTF-8 and is read as {encoding}; if it is not: the option encoding, or a file in UTF-8"
        )
        return text
    raise AssertionError("latin-1 reads every byte")


def text_lines(path: Path, encoding: str = "") -> list[str]:
    """The lines of a text file, which newlines end and no other separator."""
    return [line.removesuffix("\r") for line in read_text(path, encoding).split("\n")]


def read_cells(
    path: Path, delimiter: str = "", encoding: str = "", header: Sequence[str] = ()
) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and every row that is not blank with the number of its line (from 1).

    ``header`` names the columns of a file that does not. Raises InputError that names the line of a quote that is not
    closed.
    """
    text = read_text(path, encoding)
    if hint := re.match(r'"?sep=(.)"?\r?\n', text):  # a spreadsheet's own first line
        delimiter, text = delimiter or hint[1], "\n" + text[hint.end() :]
    delimiter = delimiter or _delimiter(text)
    needed = len(text) + BYTES_PER_CELL * (text.count(delimiter) + text.count("\n"))
    check_memory(needed, f"{path} in memory", "valid: a smaller file")
    rows = _rows(path, text, delimiter)
    if header:
        return tuple(header), rows
    names = next(rows, (1, []))[1]
    return tuple(printable(name.strip()) for name in names), rows


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(LONGEST_CELL)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: {error}; valid: CSV, quotes only around whole cells"
        ) from error
    finally:
        csv.field_size_limit(limit)


def _delimiter(text: str) -> str:
    """The one that divides the header, and every row tried into as many cells, or most of them."""
    start = text.lstrip("\r\n")[:100_000]

    def fit(delimiter: str) -> tuple[bool, float, int]:
        reader = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
        try:
            rows = [row for row in islice(reader, ROWS_TRIED) if row]
        except csv.Error:
            return False, 0.0, 0
        wide = len(rows[0]) if rows else 0
        return wide > 1, sum(len(row) == wide for row in rows) / max(1, len(rows)), wide

    best = max(DELIMITERS, key=fit)
    return best if fit(best)[0] else ","


@dataclass(frozen=True)
class Row:
    """One row below the header; ``line`` counts the file's lines from 1."""

    path: Path
    line: int
    cells: dict[str, str]
    decimal: dict[str, str] = field(default_factory=dict)
    """By column, where it is a comma."""

    def text(self, column: str) -> str:
        """What stands in ``column``. Raises InputError naming row and column if that is nothing."""
        if text := self.cells[column].strip():
            return text
        raise InputError(f"{self.place(column)}: empty; valid: a value in every row")

    def number(self, column: str) -> float:
        """The number in ``column``. Raises InputError naming row and column if there is no finite one."""
        text = self.text(column)
        value = _as_number(text, self.decimal.get(column, "."))
        if math.isfinite(value) and abs(value) <= GREATEST_NUMBER:
            return value
        if math.isfinite(value):
            raise InputError(
                f'{self.place(column)}: "{printable(text[:40])}" is too great; valid: up to {GREATEST_NUMBER:g}'
            )
        hint = ""
        if COMMA_NUMBER.fullmatch(text):
            hint = '; if its comma is a decimal one: the option decimal = ","'
        raise InputError(f'{self.place(column)}: "{printable(text[:40])}" is not a number{hint}')

    def time(self, column: str) -> tuple[bool, float]:
        """Whether ``column`` holds a time of ISO 8601, and the number, or the seconds since 1970."""
        text = self.text(column)
        if (seconds := _as_seconds(text)) is not None:
            return True, seconds
        if not math.isfinite(_as_number(text, self.decimal.get(column, "."))) and not COMMA_NUMBER.fullmatch(text):
            raise InputError(
                f'{self.place(column)}: "{printable(text[:40])}" is no time; valid: a number, or as 2024-05-31T12:30:00'
            )
        return False, self.number(column)

    def place(self, column: str) -> str:
        return f"{self.path}, line {self.line}, column {column}"

    def is_number(self, column: str) -> bool:
        return math.isfinite(_as_number(self.cells[column].strip(), self.decimal.get(column, ".")))

    def is_whole(self, column: str) -> bool:
        return len(text := self.cells[column].strip()) <= LONGEST_WHOLE and bool(WHOLE_NUMBER.fullmatch(text))

    def is_empty(self, column: str) -> bool:
        return not self.cells[column].strip()


def _as_number(text: str, decimal: str = ".") -> float:
    """NaN for what is none."""
    if decimal == ",":
        text = "" if "." in text else text.replace(",", ".")
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _as_seconds(text: str) -> float | None:
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    # Python 3.10 reads no Z, no zone without a colon, and fractions of 3 or 6 digits only.
    said = re.sub(r"[zZ]$", "+00:00", text.replace(",", "."))
    said = re.sub(r"\.([0-9]+)", lambda found: f".{found[1]:0<6.6}", said)
    said = re.sub(r"(:.*[+-][0-9]{2})([0-9]{2})$", r"\1:\2", said)
    try:
        when = datetime.fromisoformat(said)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()


@dataclass(frozen=True)
class TextTable:
    """A CSV file with a header. Raises InputError, when opened, if it cannot be read, is empty or has a name twice."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path, options: TableOptions | None = None, header: Sequence[str] = ()) -> TextTable:
        """``header`` names the columns of a file that does not."""
        options = options or TableOptions()
        columns, cells = read_cells(path, options.delimiter, options.encoding, header)
        found = list(cells)
        if not columns or not found:
            raise InputError(f"{path} is empty; valid: a header and at least one row")
        if twice := [name for name in columns if name and columns.count(name) > 1]:
            raise InputError(f'{path} has the column "{twice[0]}" twice; valid: every name once')
        for line, row in found:
            if len(row) > len(columns):
                raise InputError(
                    f"{path}, line {line}: {len(row)} cells, but the header names {len(columns)} columns; if another "
                    "sign than the one found stands between cells: the option delimiter"
                )
        # A row that ends early is one of empty cells.
        full = [
            (line, dict(zip(columns, [*row, *[""] * (len(columns) - len(row))], strict=True))) for line, row in found
        ]
        decimal = _decimals(columns, [row for _, row in full], options)
        commas = ", ".join(list(decimal)[:3]) + (", ..." if len(decimal) > 3 else "")
        if decimal and options.decimal == "auto":
            tell_once(f'{path}: numbers with decimal commas ({commas}); if they are not: option decimal = "."')
        return cls(path, columns, tuple(Row(path, line, row, decimal) for line, row in full))

    def check_has(self, names: Sequence[str], advice: str = "") -> None:
        """Raises InputError naming a column that is missing; ``advice`` is what to do about it."""
        if missing := [name for name in names if name not in self.columns]:
            more = len(self.columns) - NAMES_SHOWN
            said = f"{advice}; {nearest(missing[0], self.columns[:NAMES_SHOWN])}".removeprefix("; ")
            raise InputError(
                f'{self.path} has no column "{missing[0]}"; {said}{f" and {more} more" if more > 0 else ""}'
            )


def _decimals(columns: Sequence[str], rows: Sequence[dict[str, str]], options: TableOptions) -> dict[str, str]:
    """The columns whose numbers have a decimal comma; none where each comma of the table could part thousands."""
    if options.decimal != "auto":
        return dict.fromkeys(columns, ",") if options.decimal == "," else {}
    found = [column for column in columns if _numbers_with_commas(row[column].strip() for row in rows)]
    cells = (row[column].strip() for row in rows for column in found)
    sure = any(COMMA_NUMBER.fullmatch(cell) and not THOUSANDS.fullmatch(cell) for cell in cells)
    return dict.fromkeys(found, ",") if sure else {}


def _numbers_with_commas(cells: Iterable[str]) -> bool:
    """Whether all are whole numbers or have a decimal comma, some the latter."""
    commas = False
    for cell in cells:
        if "," in cell and COMMA_NUMBER.fullmatch(cell):
            commas = True
        elif cell and not WHOLE_NUMBER.fullmatch(cell):
            return False
    return commas
