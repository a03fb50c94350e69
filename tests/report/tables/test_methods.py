from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from stalefl.records.ranking import best_method, summary
from stalefl.report.tables.methods import comparison_markdown, comparison_table


def result(
    method: str, seed: int, affected: float | None, to_target: int | None = 30, **changes: Any
) -> dict[str, Any]:
    figures = {"affected_class_accuracy": affected, "accuracy": 0.5}
    return {
        "method": method,
        "dataset": "digits",
        "model": "cnn",
        "seed": seed,
        "final": figures,
        "best": figures,
        "mean_after_first_late": figures,
        "last_10": figures,
        "rounds_to_target": {"target": 0.8, "affected_class_accuracy": to_target, "accuracy": None},
        "stale_updates": 1,
        "rejected_updates": 0,
        "inversion_iterations": 0,
        "server_seconds": 1.5,
        "client_seconds": 2.0,
        "wall_seconds": 4.0,
    } | changes


RESULTS = [
    result("unstale", 0, 0.9),
    result("unstale", 1, 0.98),
    result("weighted", 0, 0.1, None),
    result("weighted", 1, 0.3, 20),
    result("inversion", 0, 0.8, 20),
    result("inversion", 1, 0.9, 24),
]


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


def test_the_reference_never_is_the_best_and_a_single_method_needs_no_mark() -> None:
    assert best_method(RESULTS) == "inversion"
    assert best_method(RESULTS, references=()) == "unstale"
    assert best_method(RESULTS[:4]) is None


def test_without_late_updates_the_last_rounds_decide() -> None:
    unmeasured = {"affected_class_accuracy": None, "accuracy": None}
    results = [
        result(method, 0, affected, mean_after_first_late=unmeasured) for method, affected in (("a", 0.1), ("b", 0.2))
    ]
    assert best_method(results) == "b"


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


def test_summary_is_json_with_the_tables_figures() -> None:
    overview = json.loads(json.dumps(summary(RESULTS)))
    assert list(overview["methods"]) == ["unstale", "weighted", "inversion"]
    assert overview["best"] == "inversion"
    weighted = overview["methods"]["weighted"]
    assert weighted["seeds"] == [0, 1]
    assert round(weighted["last_10"]["affected_class_accuracy"]["spread"], 6) == 0.141421
    assert weighted["rounds_to_target"]["affected_class_accuracy"] == {"mean": None, "spread": None, "seeds_reached": 1}
    assert weighted["server_seconds"] == {"mean": 1.5, "spread": 0.0}
    assert "stale_error" not in weighted


def test_summary_has_the_errors_of_estimates_where_every_run_measured_them() -> None:
    def measured(late: float, own: float, **shadows: float) -> dict[str, Any]:
        error = {
            name: {"l1": value, "cosine": value / 2} for name, value in {"late": late, "own": own, **shadows}.items()
        }
        found = {label: {"estimate_error": error[label]} for label in shadows}
        return {"stale_error": error["late"], "estimate_error": error["own"], "shadows": found}

    runs = [{**RESULTS[0], **measured(1.0, 0.2, w5=0.3, w9=0.1)}, {**RESULTS[0], **measured(1.5, 0.4, w5=0.5)}]
    figures = summary(runs)["methods"]["unstale"]
    assert figures["stale_error"]["l1"] == {"mean": 1.25, "spread": pytest.approx(0.353553, abs=1e-6)}
    assert figures["estimate_error"]["cosine"]["mean"] == pytest.approx(0.15)
    assert list(figures["shadows"]) == ["w5"]
    assert figures["shadows"]["w5"]["estimate_error"]["l1"]["mean"] == pytest.approx(0.4)
    assert "stale_error" not in summary([*runs, RESULTS[0]])["methods"]["unstale"]
