from __future__ import annotations

from typing import Any

from rich.console import Console

from stalefl.report.tables.methods import comparison_markdown, comparison_table
from tests.records.results import RESULTS, result


def printed(results: list[dict[str, Any]], width: int = 80) -> str:
    console = Console(width=width, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(comparison_table(results))
    return capture.get()


def test_markdown_has_mean_and_spread_and_the_best_method_in_bold() -> None:
    rows = comparison_markdown(RESULTS).splitlines()[2:]
    assert rows[0] == "| unstale | 0.940 ± 0.057 | 0.940 ± 0.057 | 0.500 ± 0.000 | 0.500 ± 0.000 | 30 ± 0 | 1.5 ± 0.0 |"
    assert rows[1].startswith("| weighted | 0.200 ± 0.141 |")
    assert rows[1].split(" | ")[5] == "1 of 2 seeds"
    assert rows[2].startswith("| **inversion** | **0.850 ± 0.071** |")
    assert rows[2].split(" | ")[5] == "**22 ± 3**"


def test_one_seed_shows_no_spread_and_unmeasured_a_dash() -> None:
    row = comparison_markdown([result("m", 0, None, None)]).splitlines()[2]
    assert row == "| m | – | – | 0.500 | 0.500 | – | 1.5 |"


def test_the_terminal_table_fits_80_columns_and_cuts_nothing() -> None:
    text = printed(RESULTS)
    assert "…" not in text
    assert ".850±.071" in text
    assert "\x1b[1minversion" in text
    assert "\x1b[1munstale" not in text
    assert "2 seeds" in text


def legend(results: list[dict[str, Any]]) -> list[str]:
    caption = comparison_table(results).caption
    assert isinstance(caption, str)
    return caption.splitlines()


def test_the_legend_explains_every_heading_of_the_terminal_table() -> None:
    explained = [line.partition(":")[0] for line in legend(RESULTS)]
    headings = [str(column.header).split("\n") for column in comparison_table(RESULTS).columns[1:]]
    for above, below in headings:
        assert f"{above} {below}" in explained or (above in explained[0] and below in explained), (above, below)
    assert (
        "rounds to 0.8: first round from which the mean of the last 5 evaluated rounds stays at or above 0.8 (affected "
        "class)"
    ) in legend(RESULTS)


def test_the_legend_explains_only_the_signs_that_occur() -> None:
    def signs(results: list[dict[str, Any]]) -> set[str]:
        return {line.partition(":")[0] for line in legend(results)} & {"±", "–", "bold"}

    assert signs(RESULTS) == {"±", "bold"}
    assert signs([result("m", 0, 0.5)]) == set()
    assert signs([result("m", 0, 0.5, None), result("n", 0, 0.5)]) == {"–", "bold"}


def test_rejected_updates_are_reported() -> None:
    results = [result("a", 0, 0.5, rejected_updates=2), result("a", 1, 0.5, rejected_updates=1), result("b", 0, 0.5)]
    assert "Rejected updates (not finite): a 3." in comparison_markdown(results)
    assert "a 3." in printed(results)
    assert "Rejected" not in comparison_markdown(RESULTS)


def test_a_bar_in_the_name_of_a_method_does_not_break_the_table() -> None:
    assert comparison_markdown([result("a|b", 0, 0.5)]).splitlines()[2].startswith(r"| a\|b | 0.500 |")
