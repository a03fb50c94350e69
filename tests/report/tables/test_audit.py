from __future__ import annotations

import io

import pytest
from rich.console import Console

from stalefl.audit.measure.metrics import METRICS
from stalefl.report.tables.audit import (
    SHOWN_METRICS,
    audit_markdown,
    audit_metric_text,
    audit_rows,
    audit_table,
    measured_metrics,
    metric_heading,
)
from tests.report.audit_document import FIGURES, cell, document, not_made


def test_every_column_is_a_metric() -> None:
    assert set(SHOWN_METRICS) <= set(METRICS)


def test_only_metrics_that_are_known_of_a_cell_have_a_column() -> None:
    assert measured_metrics(document(cell("dlg", "none"))) == [
        *["psnr_median", "readable_share", "mse", "fid", "classifier_accuracy"]
    ]
    assert measured_metrics(document(not_made("dlg"), references={})) == []
    # What is known of a reference alone compares with nothing.
    of_reference = document(cell("dlg", "none"), references={"noise": {"label_accuracy": 0.0}})
    assert measured_metrics(of_reference)[-1] == "classifier_accuracy"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("psnr_median", "31.3"),
        ("readable_share", "50%"),
        ("mse", "0.012"),
        ("fid", "123"),
        ("classifier_accuracy", "100%"),
        ("token_accuracy", "–"),
        ("ssim", "–"),
    ],
)
def test_figures_as_they_are_shown(name: str, text: str) -> None:
    assert audit_metric_text(name, FIGURES) == text


def test_headings_on_one_line() -> None:
    assert metric_heading("classifier_accuracy") == "recognised"
    assert metric_heading("psnr_median") == "PSNR median"


def test_cells_come_first_then_the_references() -> None:
    found = list(audit_rows(document(cell("dlg", "none"), cell("dlg", "noise=1"))))
    assert [(row.attack, row.defence, row.reference) for row in found] == [
        *[("dlg", "none", False), ("dlg", "noise=1", False), ("(noise)", "", True)]
    ]


def test_a_cell_that_is_not_whole_says_so() -> None:
    whole, part = cell("dlg", "none"), cell("dlg", "noise=1", cases=1)
    notes = [row.note for row in audit_rows(document(whole, part, not_made("idlg"), not_made("x", "two samples")))]
    assert notes == ["", "1 of 2 clients so far", "not made yet", "not made: two samples", ""]


def test_markdown() -> None:
    result = document(cell("dlg", "none", cases=1), not_made("idlg"))
    assert audit_markdown(result).splitlines() == [
        "| attack | defence | PSNR median | above 25 dB | MSE | FID | recognised | samples are | labels are |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |",
        "| dlg | none | 31.3 | 50% | 0.012 | 123 | 100% | readable; 1 of 2 clients so far | known |",
        "| idlg | none | – | – | – | – | – | not made yet |  |",
        "| (noise) |  | 5.0 | – | – | – | – |  |  |",
    ]


def test_the_terminal_shows_the_same_figures() -> None:
    result = document(cell("inverting-gradients", "clip=1, gaussian=2"), not_made("idlg", "a [b] c"))
    screen = io.StringIO()
    Console(file=screen, width=160, markup=False).print(audit_table(result))
    lines = [line.split() for line in screen.getvalue().splitlines() if line.strip()]
    assert [
        "inverting-gradients",
        "clip=1,",
        "gaussian=2",
        "31.3",
        "50%",
        "0.012",
        "123",
        "100%",
        "readable",
        "known",
    ] in lines
    assert ["(noise)", "5.0", "–", "–", "–", "–"] in lines
    assert "not made: a [b] c" in screen.getvalue()


def test_a_bar_in_a_note_does_not_break_the_table() -> None:
    row = audit_markdown(document(not_made("idlg", "a|b"))).splitlines()[2]
    assert row.startswith("| idlg |")
    assert r" not made: a\|b |" in row
