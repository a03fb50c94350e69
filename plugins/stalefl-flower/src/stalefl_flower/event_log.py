"""The events of a federation: one for every message and every node that comes, goes or fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Event = Literal["seen", "joined", "replaced", "refused", "sent", "arrived", "rejected", "failed"]
TROUBLE = ("replaced", "refused", "rejected", "failed")
log = logging.getLogger("stalefl_flower")


@dataclass
class EventLog:
    """Gives every event to ``write`` and to the log; trouble as a warning with its reason."""

    write: Callable[[dict[str, Any]], None] = lambda event: None
    last_reason: str = ""

    def add(self, event: Event, round: int, **facts: Any) -> None:
        self.write({"event": event, "round": round, **facts})
        about = ", ".join(f"{key} {value}" for key, value in facts.items() if key != "reason")
        reason = facts.get("reason", "")
        level = logging.WARNING if event in TROUBLE else logging.INFO
        log.log(level, "round %d: %s: %s%s", round, event, about, f": {reason}" if reason else "")
        if event in TROUBLE:
            self.last_reason = reason
