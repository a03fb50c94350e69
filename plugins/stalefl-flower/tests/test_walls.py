"""What runs where: imports that must not happen, looked at in a process of their own."""

from __future__ import annotations

import subprocess
import sys


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_round_loop_reaches_neither_data_nor_the_simulator() -> None:
    loaded = loaded_by("stalefl_flower.rounds")
    assert "stalefl.server.coordinator" in loaded
    assert not {m for m in loaded if m.startswith(("stalefl.data", "stalefl.simulation", "stalefl.run.setup"))}


def test_a_node_says_who_it_is_without_loading_torch() -> None:
    assert "torch" not in loaded_by("stalefl_flower.client_app")
