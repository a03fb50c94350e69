"""A grid of small runs that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

from stalefl.config.grid import Cell, load_grid

SMALL = """
[partition]
clients = 10
samples_per_client = 10
[staleness]
late_clients = 1
[model]
name = "mlp"
options = { hidden = [12] }
[run]
rounds = 3
seeds = 2
device = "cpu"
checkpoint_every_rounds = 2
"""
GRID = '[grid]\n"method.name" = ["unweighted", "weighted"]\n"staleness.rounds" = [1]\n' + SMALL


def cells(tmp_path: Path, text: str = GRID) -> list[Cell]:
    file = tmp_path / "grid.toml"
    file.write_text(text)
    return load_grid(file)
