"""An audit's ``result.json`` as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from stalefl.formatting import MISSING
from stalefl.report.tables.markdown import markdown_table
from stalefl.report.tables.terminal import terminal_table

AuditDocument = Mapping[str, Any]
"""An audit's ``result.json``."""
SHOWN_METRICS: Mapping[str, tuple[str, str]] = {
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


class AuditRow(NamedTuple):
    """One cell, or one of the references that it compares with. ``inputs`` and ``labels`` are its verdicts."""

    attack: str
    defence: str
    metrics: Mapping[str, Any]
    inputs: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    note: str = ""
    reference: bool = False


def audit_rows(result: AuditDocument) -> Iterator[AuditRow]:
    """The cells in their order, then the references."""
    for cell in result["cells"]:
        note = _note(cell, len(result["cases"]))
        yield AuditRow(cell["attack"], cell["defence"], cell["metrics"], cell["inputs"], cell["labels"], note)
    for name, metrics in result["references"].items():
        yield AuditRow(f"({name})", "", metrics, reference=True)


def _note(cell: Mapping[str, Any], clients: int) -> str:
    """What a reader must know of a cell that is not whole."""
    if cell["unfit"]:
        return f"not made: {cell['unfit']}"
    if not cell["cases"]:
        return "not made yet"
    return "" if cell["cases"] == clients else f"{cell['cases']} of {clients} clients so far"


def measured_metrics(result: AuditDocument) -> list[str]:
    """The metrics that are known of any cell."""
    cells = [row for row in audit_rows(result) if not row.reference]
    known = {name for row in cells for name, value in row.metrics.items() if value is not None}
    return [name for name in SHOWN_METRICS if name in known]


def audit_metric_text(name: str, metrics: Mapping[str, Any]) -> str:
    """A metric's value as tables have it."""
    value = metrics.get(name)
    return MISSING if value is None else format(value, SHOWN_METRICS[name][1])


def audit_table(result: AuditDocument) -> Table:
    """Attack x defence x metric, for the terminal."""
    table = terminal_table()
    table.add_column("attack", no_wrap=True)
    table.add_column("defence")
    names = measured_metrics(result)
    for name in names:
        table.add_column(SHOWN_METRICS[name][0], justify="right")
    table.add_column("samples are")
    table.add_column("labels are")
    for row in audit_rows(result):
        table.add_row(*_cells(row, names))
    return table


def audit_markdown(result: AuditDocument) -> str:
    """``audit_table`` as Markdown, ending in a newline."""
    names = measured_metrics(result)
    headers = ["attack", "defence", *map(metric_heading, names), "samples are", "labels are"]
    rows = [_cells(row, names) for row in audit_rows(result)]
    return markdown_table(headers, rows, "ll" + "r" * len(names) + "ll")


def metric_heading(name: str) -> str:
    """A metric's heading on one line."""
    return SHOWN_METRICS[name][0].replace("-\n", "").replace("\n", " ")


def _cells(row: AuditRow, names: Sequence[str]) -> list[str]:
    samples = "; ".join(filter(None, [row.inputs["word"] if row.inputs else "", row.note]))
    labels = row.labels["word"].removeprefix("labels ") if row.labels else ""
    return [row.attack, row.defence, *(audit_metric_text(name, row.metrics) for name in names), samples, labels]
