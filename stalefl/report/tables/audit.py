"""An audit's ``result.json`` as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stalefl.formatting import MISSING

Document = Mapping[str, Any]
COLUMNS: Mapping[str, tuple[str, str]] = {
    "psnr_median": ("PSNR\nmedian", ".1f"),
    "psnr": ("PSNR\nmean", ".1f"),
    "readable_share": ("above\n25 dB", ".0%"),
    "mse": ("MSE", ".3f"),
    "relative_rmse": ("relative\nRMSE", ".2f"),
    "ssim": ("SSIM", ".2f"),
    "lpips": ("LPIPS", ".2f"),
    "fid": ("FID", ".3g"),
    "token_accuracy": ("tokens", ".0%"),
    "token_recall": ("anywhere", ".0%"),
    "classifier_accuracy": ("recog-\nnised", ".0%"),
    "label_accuracy": ("labels\ntold", ".0%"),
}
"""Heading and format of the metrics that tables show; all of them are in ``result.json``."""


class Row(NamedTuple):
    """One cell, or one of the references that it compares with. ``inputs`` and ``labels`` are its verdicts."""

    attack: str
    defence: str
    figures: Mapping[str, Any]
    inputs: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    note: str = ""
    reference: bool = False


def rows(document: Document) -> Iterator[Row]:
    """The cells in their order, then the references."""
    for cell in document["cells"]:
        note = _note(cell, len(document["cases"]))
        yield Row(cell["attack"], cell["defence"], cell["metrics"], cell["inputs"], cell["labels"], note)
    for name, figures in document["references"].items():
        yield Row(f"({name})", "", figures, reference=True)


def _note(cell: Mapping[str, Any], clients: int) -> str:
    """What a reader must know of a cell that is not whole."""
    if cell["unfit"]:
        return f"not made: {cell['unfit']}"
    if not cell["cases"]:
        return "not made yet"
    return "" if cell["cases"] == clients else f"{cell['cases']} of {clients} clients so far"


def columns(document: Document) -> list[str]:
    """The metrics that are known of any cell."""
    cells = [row for row in rows(document) if not row.reference]
    known = {name for row in cells for name, value in row.figures.items() if value is not None}
    return [name for name in COLUMNS if name in known]


def shown(name: str, figures: Mapping[str, Any]) -> str:
    """A metric's value as tables have it."""
    value = figures.get(name)
    return MISSING if value is None else format(value, COLUMNS[name][1])


def audit_table(document: Document) -> Table:
    """Attack x defence x metric, for the terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("attack", no_wrap=True)
    table.add_column("defence")
    names = columns(document)
    for name in names:
        table.add_column(COLUMNS[name][0], justify="right")
    table.add_column("samples are")
    table.add_column("labels are")
    for row in rows(document):
        table.add_row(*_cells(row, names))
    return table


def audit_markdown(document: Document) -> str:
    """The same as Markdown."""
    names = columns(document)
    lines = [
        _line(["attack", "defence", *map(heading, names), "samples are", "labels are"]),
        _line(["---", "---", *["---:"] * len(names), "---", "---"]),
    ]
    lines += [_line(_cells(row, names)) for row in rows(document)]
    return "\n".join(lines)


def heading(name: str) -> str:
    """A metric's heading on one line."""
    return COLUMNS[name][0].replace("-\n", "").replace("\n", " ")


def _cells(row: Row, names: Sequence[str]) -> list[str]:
    samples = "; ".join(filter(None, [row.inputs["word"] if row.inputs else "", row.note]))
    labels = row.labels["word"].removeprefix("labels ") if row.labels else ""
    return [row.attack, row.defence, *(shown(name, row.figures) for name in names), samples, labels]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
