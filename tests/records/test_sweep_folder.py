from __future__ import annotations

import json
from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.records.sweep_folder import SweepFolder

CELLS = {"1-rounds=5": ({"staleness.rounds": 5}, "[run]\n")}


def test_the_index_names_cells_and_seeds(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "out")
    folder.create(CELLS, [0, 1], force=False)
    cells = [{"name": "1-rounds=5", "values": {"staleness.rounds": 5}}]
    assert SweepFolder.open(folder.path).read_index() == {"schema": 1, "seeds": [0, 1], "cells": cells}
    assert folder.config("1-rounds=5").read_text() == "[run]\n"


def test_a_damaged_index_is_named_with_its_place(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "out")
    folder.create(CELLS, [0], force=False)
    index = folder.read_index()
    del index["cells"][0]["name"]
    folder.sweep.write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"sweep.json is damaged \(cells\.0\.name: Field required\)"):
        folder.read_index()


def test_a_sweep_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "out")
    with pytest.raises(InputError, match="cannot write"):
        folder.create({"x" * 300: ({}, "")}, [0], force=False)
    assert list(folder.path.iterdir()) == []


def test_failures_are_kept_only_while_there_are_any(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    folder.write_failures({"cells/a/seed-0": {"error": "no space", "trace": ""}})
    assert json.loads(folder.failed.read_text()) == {"cells/a/seed-0": {"error": "no space", "trace": ""}}
    folder.write_failures({})
    assert not folder.failed.exists()
