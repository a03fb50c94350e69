"""Walls that ``lint-imports`` cannot see: what is loaded at run time."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "datasets", "sklearn", "matplotlib", "pandas", "safetensors"}


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in memory after ``statement`` has run in a fresh interpreter."""
    code = f"{statement}\nimport sys; print('loaded:', *{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import stalefl.contracts, stalefl.hookspecs, stalefl.config, stalefl.registry, stalefl.cli",
        "from stalefl.cli import main; assert main(['--help']) == main(['simulate', '--help']) == 0",
    ],
    ids=["import", "help"],
)
def test_the_command_line_starts_without_heavy_libraries(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "stalefl" in loaded
    assert not loaded & HEAVY


def test_what_a_worker_process_loads_draws_nothing() -> None:
    loaded = loaded_by("import stalefl.run.tasks")
    assert "torch" in loaded
    assert not loaded & {"matplotlib", "rich", "pyarrow", "pandas", "scipy", "sklearn"}


def test_heavy_libraries_would_be_seen() -> None:
    assert "torch" in loaded_by("import stalefl.training.model")
