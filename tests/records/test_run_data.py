from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stalefl.contracts import InputError, InputSpec
from stalefl.records.run_data import RunData, read_run_data, write_run_data

SPEC = InputSpec((1, 2, 2), 2, ((-1.0,), (1.0,)), class_names=("cat", "dog"))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_run_data(tmp_path / "data.json", RunData(np.array([[1, 2], [3, 0]]), (1,), SPEC))
    found = read_run_data(tmp_path / "data.json")
    assert found
    assert found.counts.tolist() == [[1, 2], [3, 0]]
    assert (found.late_clients, found.spec) == ((1,), SPEC)


def test_an_older_run_has_none_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    assert read_run_data(tmp_path / "data.json") is None
    (tmp_path / "data.json").write_text(json.dumps({"class_counts": [[1]]}))
    with pytest.raises(InputError, match="data.json is damaged"):
        read_run_data(tmp_path / "data.json")
