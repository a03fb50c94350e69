from __future__ import annotations

from pathlib import Path

import pandas
import pytest

from stalefl.contracts import InputError
from stalefl.records.results_file import run_row, write_results


def test_a_row_has_the_figures_by_their_dotted_names() -> None:
    result = {
        "schema": 1,
        "method": "m",
        "final": {"accuracy": 0.5, "per_class_accuracy": [1.0, None]},
        "shadows": {"s": {"estimate_error": {"l1": 0.5, "cosine": 0.125}}},
    }
    assert run_row(result) == {
        "method": "m",
        "final.accuracy": 0.5,
        "final.per_class_accuracy": [1.0, None],
        "shadows.s.estimate_error.l1": 0.5,
        "shadows.s.estimate_error.cosine": 0.125,
    }


def test_values_keep_their_kind_and_mixed_ones_are_json(tmp_path: Path) -> None:
    rows = [
        {"whole": 1, "number": 1, "list": [0.5, None], "mixed": 3, "never": None, "error": None},
        {"whole": 2, "number": 0.5, "list": [1.0], "mixed": "on", "table": {"a": 1}, "error": "no"},
    ]
    write_results(tmp_path / "r.parquet", rows)
    read = pandas.read_parquet(tmp_path / "r.parquet")
    assert read["whole"].tolist() == [1, 2]
    assert read["number"].tolist() == [1.0, 0.5]
    assert read["mixed"].tolist() == ["3", '"on"']
    assert read["table"].tolist()[1] == '{"a": 1}'
    assert read["error"].isna().tolist() == [True, False]
    assert read["never"].isna().all()
    assert read["list"][1].tolist() == [1.0]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_results(tmp_path / "no" / "r.parquet", [{"a": 1}])
