from __future__ import annotations

from typing import Any

from stalefl.report.late_updates import late_table, seconds_text, server_cost, shadows_table, share_text


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
    seeds = [[record([]), record([5, 7], 20, **MEASURED)], [record([]), record([9], 10, **MEASURED)]]
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
    figures = ["1.5", "7.0", "10.0", "4", "6", "75 %", "0.800", "0.200", "0.400", "0.100"]
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


def test_costs_without_a_run_or_a_late_update() -> None:
    assert server_cost([]).each is None
    assert server_cost([]).of_training is None
    assert server_cost([[record([])]]).run == 3.0


def test_seconds_and_shares_as_text() -> None:
    assert [seconds_text(value) for value in (None, 0.00123456, 12.34, 2809.9)] == ["–", "0.00123", "12.3", "2810"]
    assert [share_text(value) for value in (None, 0.0071, 2.19)] == ["–", "0.7 %", "219 %"]
