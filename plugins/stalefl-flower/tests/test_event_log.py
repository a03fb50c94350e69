from __future__ import annotations

import logging
from typing import Any

import pytest
from stalefl_flower.event_log import EventLog


def test_trouble_is_a_warning_whose_reason_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    written: list[dict[str, Any]] = []
    events = EventLog(written.append)
    with caplog.at_level(logging.INFO, "stalefl_flower"):
        events.add("failed", 3, client=1, reason="offline")
        events.add("arrived", 4, client=2)
    assert written == [
        {"event": "failed", "round": 3, "client": 1, "reason": "offline"},
        {"event": "arrived", "round": 4, "client": 2},
    ]
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "round 3: failed: client 1: offline"),
        ("INFO", "round 4: arrived: client 2"),
    ]
    assert events.last_reason == "offline"
