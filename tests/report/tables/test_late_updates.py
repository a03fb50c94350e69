from __future__ import annotations

from typing import Any

from stalefl.config.schema import ShadowTable
from stalefl.report.tables.late_updates import (
    late_table,
    nearest_in_words,
    shadows_in_words,
    shadows_table,
    windows_tables,
)


def record(delays: list[int], iterations: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "stale_updates": len(delays),
        "staleness_rounds": delays,
        "inversion_iterations": iterations,
        "late_updates": [{}] * len(delays),
        "server_seconds": 3.0,
        "client_seconds": 4.0,
        **more,
    }


MEASURED = {"stale_error": {"l1": 0.8, "cosine": 0.4}, "estimate_error": {"l1": 0.2, "cosine": 0.1}}


def test_number_delay_cost_and_errors() -> None:
    """Two seeds with 3 late updates: 12 s of the server, 16 s of the clients."""
    seeds = [[record([]), record([5, 7], 20, **MEASURED)], [record([]), record([12], 10, **MEASURED)]]
    headers, rows = late_table({"inversion": seeds, "unstale": [[record([])]]})
    assert [header.replace("\n", " ") for header in headers] == [
        "method",
        "late updates a run",
        "rounds late (mean)",
        "iterations each",
        "server seconds each",
        "server seconds a run",
        "of the clients' training time",
        "L1 error as it came",
        "L1 error estimated",
        "cosine distance as it came",
        "cosine distance estimated",
    ]
    figures = ["1.5", "8.0", "10.0", "4", "6", "75 %", "0.800", "0.200", "0.400", "0.100"]
    assert rows[0] == ["inversion", *figures]
    assert rows[1] == ["unstale", "0", "–", "–", "–", "3", "75 %", "–", "–", "–", "–"]


def test_what_nobody_knows_has_no_column() -> None:
    headers, rows = late_table({"weighted": [[record([2])]]})
    assert len(headers) == len(rows[0]) == 6
    assert not any("error" in header for header in headers)


def test_shadows_have_rows_of_their_own() -> None:
    shadow = {"estimate_error": {"l1": 0.5, "cosine": 0.3}, "iterations": 8, "seconds": 1.0}
    _, rows = shadows_table({"weighted": [[record([2, 2], **MEASURED, shadows={"tenth": shadow})]]})
    assert rows == [["weighted", "tenth", "0.500", "0.300", "4.0", "0.50"]]
    assert shadows_table({"weighted": [[record([2], **MEASURED)]]})[1] == []


SHADOW = {"estimate_error": {"l1": 0.5, "cosine": 0.3}, "iterations": 8, "seconds": 1.0}
AS_IT_CAME = {"stale_error": {"l1": 0.8, "cosine": 0.4}, "estimate_error": {"l1": 0.8, "cosine": 0.4}}


def test_beside_a_method_that_takes_late_updates_as_they_are_shadows_are_seen_too() -> None:
    runs = {"unweighted": [[record([2], **AS_IT_CAME, shadows={"tenth": SHADOW})]]}
    assert shadows_table(runs)[1] == [["unweighted", "tenth", "0.500", "0.300", "8.0", "1.00"]]
    _, [row] = late_table(runs)
    assert row[-2:] == ["0.800", "0.400"]


def test_what_a_shadow_is_stands_in_words() -> None:
    shadows = {"w5": ShadowTable(name="inversion", options={"warm_iterations": 5, "labels": "hard"})}
    assert list(shadows_in_words(shadows)) == ["w5: inversion, warm_iterations = 5, labels = hard"]


def test_the_nearest_estimates_are_named() -> None:
    other = {**SHADOW, "estimate_error": {"l1": 0.1, "cosine": 0.1}}
    shadows = {"tenth": SHADOW, "other": other}
    runs = {
        "unweighted": [[record([2], **AS_IT_CAME, shadows=shadows)]],
        "inversion": [[record([2], **{**MEASURED, "estimate_error": {"l1": 0.05, "cosine": 0.1}}, shadows=shadows)]],
        "alone": [[record([2], **MEASURED)]],
        "unmeasured": [[record([2])]],
    }
    late = "late updates as they are had a mean relative L1 error of 0.800; the nearest estimates were those of"
    assert list(nearest_in_words(runs)) == [
        f"While unweighted trained, {late} other, with 0.100.",
        f"While inversion trained, {late} inversion, with 0.050.",
    ]


def test_errors_by_window_of_the_methods_that_estimate() -> None:
    late = [{"round": 21, **record([2], **MEASURED)}]
    [table] = windows_tables({"inversion": [late], "unweighted": [[{"round": 21, **record([2], **AS_IT_CAME)}]]})
    assert table == {
        "method": "inversion",
        "headers": ["rounds", "late updates as they are", "inversion"],
        "rows": [["21–40", "0.800", "0.200"]],
    }
