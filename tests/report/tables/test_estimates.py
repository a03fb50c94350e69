from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from stalefl.records.estimates import AS_THEY_ARE
from stalefl.report.tables.estimates import estimation_markdown, estimation_rows, estimation_table, windows_markdown
from tests.records.estimate_records import RECORDS, record


def test_without_an_oracle_there_is_nothing_to_show() -> None:
    assert estimation_table({"inversion": [[record(1, 0, 0, 0)]]}) is None


def test_seeds_of_a_method_share_a_row() -> None:
    other = [record(2, 1, 1.25, 0.6)]
    late, method, shadow = estimation_rows([RECORDS, other], "inversion")
    assert late == [AS_THEY_ARE, "1.500 ± 0.354", "0.750 ± 0.177", "–", "–"]
    assert method == ["inversion", "0.700 ± 0.141", "0.350 ± 0.071", "10.0 ± 0.0", "–"]
    assert shadow == ["other", "0.500", "0.250", "15.0", "3.00"]
    assert estimation_rows([], "inversion") == []


def test_a_shadow_called_like_the_method_has_a_row_of_its_own() -> None:
    late, method, shadow = estimation_rows([RECORDS, RECORDS], "other")
    assert [row[0] for row in (late, method, shadow)] == [AS_THEY_ARE, "other", "other (shadow)"]
    assert [row[1] for row in (method, shadow)] == ["0.800 ± 0.000", "0.500 ± 0.000"]


def test_a_method_that_takes_late_updates_as_they_are_estimates_nothing() -> None:
    records = [record(2, 1, 1.0, 1.0), record(3, 1, 0.5, 0.5)]
    assert [row[0] for row in estimation_rows([records], "unweighted")] == [AS_THEY_ARE]
    assert windows_markdown([records], "unweighted").splitlines()[0] == f"| rounds | {AS_THEY_ARE} |"


def test_the_terminal_has_one_table_whatever_was_compared() -> None:
    def printed(runs: dict[str, list[list[dict[str, Any]]]]) -> str:
        console = Console(width=80, record=True, file=StringIO())
        console.print(estimation_table(runs))
        return console.export_text()

    one = printed({"inversion": [RECORDS]})
    assert "Estimates of late updates, inversion training" in one
    assert "±" not in one
    taken = [record(2, 1, 1.0, 1.0)]
    several = printed({"unstale": [[]], "unweighted": [taken], "anchored-inversion": [RECORDS, RECORDS]})
    assert "±: sample standard deviation over seeds" in several
    assert "each method that trains meets late updates of its own" in several
    lines = [line.strip() for line in several.splitlines()]
    assert "unstale training:" not in lines
    assert lines[lines.index("unweighted training:") + 2] == "anchored-inversion training:"
    rows = [line.split() for line in lines if "±0" in line]
    assert [" ".join(row[:-4]) for row in rows] == [AS_THEY_ARE, "anchored-inversion", "other"]
    assert rows[0][-4:] == ["1.750±0.000", "0.875±0.000", "–", "–"]


def test_markdown_of_one_setting_and_of_several() -> None:
    one = estimation_markdown({"a": ("inversion", [RECORDS])})
    assert one.splitlines()[2] == f"| {AS_THEY_ARE} | 1.750 | 0.875 | – | – |"
    several = estimation_markdown({"a": ("inversion", [RECORDS, RECORDS]), "b": ("weighted", [RECORDS])})
    assert several.splitlines()[0].startswith("| run | estimate |")
    assert several.splitlines()[2].startswith(f"| a | {AS_THEY_ARE} | 1.750 ± 0.000 |")
    assert several.splitlines()[-1] == "| b | other | 0.500 | 0.250 | 15.0 | 3.00 |"


def test_windows_as_markdown() -> None:
    lines = windows_markdown([RECORDS], "inversion").splitlines()
    assert lines[0] == f"| rounds | {AS_THEY_ARE} | inversion | other |"
    assert lines[2:] == ["| 1–20 | 1.000 | 0.500 | 0.200 |", "| 21–40 | 2.000 | 0.900 | 0.600 |"]


def test_windows_over_seeds_of_which_one_ran_longer() -> None:
    lines = windows_markdown(
        [RECORDS[:2], [*RECORDS[:1], record(3, 1, 2.0, 0.7), RECORDS[2]]], "inversion"
    ).splitlines()
    assert lines[2:] == [
        "| 1–20 | 1.500 ± 0.707 | 0.600 ± 0.141 | 0.200 |",
        "| 21–40 | 2.000 | 0.900 | 0.600 |",
    ]


def test_a_bar_in_the_label_of_a_shadow_does_not_break_the_tables() -> None:
    records = [{**r, "shadows": {"a|b": r["shadows"]["other"]}} for r in RECORDS]
    assert r"| a\|b | 0.500 |" in estimation_markdown({"title": ("inversion", [records])})
    assert windows_markdown([records], "inversion").splitlines()[0].endswith(r"| inversion | a\|b |")
