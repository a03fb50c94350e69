"""What a method remembers of its estimates until the updates arrive that show how good they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from stalefl.contracts import ServerView

Kept = TypeVar("Kept")


def job_key(client: int, dispatched_round: int) -> str:
    """The key, in a method's state, of the update that a client began in a round."""
    return f"client {client} round {dispatched_round}"


def still_awaited(kept: Mapping[str, Kept], view: ServerView) -> dict[str, Kept]:
    """What belongs to updates that are still to come; their number, not the run's length, bounds a server's memory."""
    keys = {job_key(client, dispatched_round) for client, dispatched_round in view.awaited}
    return {key: value for key, value in kept.items() if key in keys}
