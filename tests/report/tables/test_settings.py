from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from stalefl.records.run_groups import Setting
from stalefl.report.tables.settings import Sheet, latex_text, sheet, sheet_latex, sheet_markdown, sheet_table


def result(affected: float, to_target: int | None = 30, target: float = 0.8) -> dict[str, Any]:
    figures = {"affected_class_accuracy": affected, "accuracy": 0.5}
    return {
        "mean_after_first_late": figures,
        "last_10": figures,
        "rounds_to_target": {"target": target, "affected_class_accuracy": to_target, "accuracy": None},
        "server_seconds": 1.5,
    }


SETTINGS = [
    Setting({"partition.alpha": 0.1, "method.name": "my_method"}, [result(0.2), result(0.4, 40)], 2),
    Setting({"partition.alpha": 1, "method.name": "my_method"}, [result(0.6, None)], 3, failed=1),
    Setting({"partition.alpha": 9, "method.name": "my_method"}, [], 3),
]


def test_a_row_per_setting_with_mean_and_spread_over_its_seeds() -> None:
    content = sheet(SETTINGS)
    assert content.keys == 2
    assert content.headers[:2] == ["alpha", "method"]
    assert content.headers[6:] == ["rounds\nto 0.8", "server\nseconds", "seeds"]
    half = "0.500 ± 0.000"
    assert content.rows[0] == [
        *["0.1", "my_method", "0.300 ± 0.141", "0.300 ± 0.141", half, half, "35 ± 7", "1.5 ± 0.0", "2"]
    ]
    assert content.rows[1] == ["1", "my_method", "0.600", "0.600", "0.500", "0.500", "–", "1.5", "1 of 3, 1 failed"]
    assert content.rows[2][2:] == [*["–"] * 6, "0 of 3"]
    assert any("failed.json" in note for note in content.notes)


def test_errors_of_estimates_have_columns_where_they_were_measured() -> None:
    def measured(late: float, **shadows: float) -> dict[str, Any]:
        errors = {"stale_error": {"l1": late, "cosine": 0.1}, "estimate_error": {"l1": late / 4, "cosine": 0.1}}
        return {**result(0.5), **errors, "shadows": {s: {"estimate_error": {"l1": l1}} for s, l1 in shadows.items()}}

    content = sheet([Setting({"lr": 1}, [measured(0.8, a=0.3), measured(0.8, a=0.3)], 2), Setting({"lr": 2}, [], 2)])
    assert content.headers[7:] == ["late\nerror", "estimate\nerror", "a\nerror", "seeds"]
    assert content.rows[0][7:] == ["0.800 ± 0.000", "0.200 ± 0.000", "0.300 ± 0.000", "2"]
    assert content.rows[1][7:] == ["–", "–", "–", "0 of 2"]
    assert any(note.startswith("error:") for note in content.notes)


def test_several_targets_are_not_named() -> None:
    two = [Setting({"evaluation.target_accuracy": t}, [result(0.5, target=t)], 1) for t in (0.7, 0.8)]
    assert "rounds\nto target" in sheet(two).headers


def test_markdown() -> None:
    content = Sheet(1, ["key", "a\nb"], [["x|y", "1"]], ["a note"])
    assert sheet_markdown(content) == "| key | a b |\n| --- | ---: |\n| x\\|y | 1 |\n\n- a note\n"


def test_latex_is_a_booktabs_table_with_everything_escaped() -> None:
    content = Sheet(1, ["a_key", "50%"], [["x & y", "1 ± 2"]], ["note"])
    assert sheet_latex(content).splitlines() == [
        r"% needs \usepackage{booktabs}",
        "% note",
        r"\begin{tabular}{@{}lr@{}}",
        r"\toprule",
        r"a\_key & 50\% \\",
        r"\midrule",
        r"x \& y & 1 $\pm$ 2 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_no_sign_means_something_to_latex() -> None:
    assert latex_text(r"\a{b}~^<>#$") == (
        r"\textbackslash{}a\{b\}\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\#\$"
    )


def lines(content: Sheet, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(sheet_table(content, width))
    return capture.get().splitlines()


def test_the_terminal_shows_every_row_on_a_line() -> None:
    assert sum("my_method" in line for line in lines(sheet(SETTINGS), 160)) == 3


@pytest.mark.parametrize("width", [48, 64, 80, 106, 107])
def test_in_a_narrow_terminal_figures_make_way_for_the_keys(width: int) -> None:
    shown = lines(sheet(SETTINGS), width)
    rows = [line for line in shown if "my_method" in line]
    assert len(rows) == 3
    assert "0.300±0.141" in rows[0]
    assert all(len(line) <= width for line in rows)
    assert ("for want of width" in " ".join(shown)) == (width < 107)


def test_accuracy_on_all_classes_is_left_out_first() -> None:
    text = " ".join(lines(sheet(SETTINGS), 106))
    assert "left out, for want of width: overall last 10" in text
