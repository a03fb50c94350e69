"""Run folders with short records, for tests of what lies on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stalefl.records.round_record import round_record
from stalefl.records.run_folder import RunFolder


def record_of(round: int, **changes: Any) -> dict[str, Any]:
    """A round in which nothing was evaluated and nobody was late."""
    facts: dict[str, Any] = {
        "participants": (0, 1),
        "staleness_rounds": (),
        "rejected_updates": 0,
        "server_seconds": 0.25,
        "client_seconds": 0.5,
        "affected_classes": (1,),
    }
    return {**round_record(round=round, **facts), **changes}


def run_at(path: Path, rounds: int = 0, **options: Any) -> RunFolder:
    folder = RunFolder.create(path, **options)
    folder.write_config("[run]\nseed = 1\n")
    for t in range(1, rounds + 1):
        folder.append_round(record_of(t))
    return folder
