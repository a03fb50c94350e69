from __future__ import annotations

import pytest

from stalefl.report.tables.markdown import markdown_table


def test_headers_rules_and_rows_each_have_a_line() -> None:
    assert markdown_table(["method", "accuracy"], [["weighted", "0.5"], ["unweighted", ""]], "lr") == (
        "| method | accuracy |\n| --- | ---: |\n| weighted | 0.5 |\n| unweighted |  |\n"
    )


@pytest.mark.parametrize(
    ("cell", "written"),
    [("x|y", r"x\|y"), ("|x y|", r"\|x y\|"), ("two\nlines", "two lines"), ("two\r\nlines", "two lines")],
)
def test_no_cell_breaks_the_table(cell: str, written: str) -> None:
    header, _, row = markdown_table([cell], [[cell]], "l").splitlines()
    assert header == row == f"| {written} |"


def test_a_table_without_rows_has_its_headers() -> None:
    assert markdown_table(["a"], [], "r") == "| a |\n| ---: |\n"
