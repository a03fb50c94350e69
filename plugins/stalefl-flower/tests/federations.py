"""Small federations on digits that several tests run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fakes import FakeGrid
from stalefl_flower.server_app import run_federation

SMALL = {
    "partition.kind": "iid",
    "model.name": "mlp",
    "model.options.hidden": [8],
    "training.local_epochs": 1,
    "method.name": "weighted",
    "evaluation.test_samples": 50,
}
"""Digits, a small model, one local step."""


def run(grid: FakeGrid, out: Path, *, rounds: int, clients: int = 3, config: Any = None, **federation: Any) -> Any:
    """The result of a federation that waits for all ``clients`` unless ``federation`` says otherwise."""
    own = {"out": str(out), "clients_to_start": clients, "round_seconds": 30.0, "poll_seconds": 0.5, **federation}
    keys = {f"federation.{key}": value for key, value in own.items()}
    run_config = {**SMALL, "partition.clients": clients, "run.rounds": rounds, **(config or {}), **keys}
    return run_federation(grid, run_config, grid.clock())


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]


def events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "federation.jsonl").read_text().splitlines()]
