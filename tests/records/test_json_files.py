from __future__ import annotations

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from stalefl.contracts import InputError
from stalefl.records.documents.comparison import ComparisonIndex
from stalefl.records.json_files import json_document, json_line, plain, read_document, write_document

INDEX = {"schema": 1, "methods": ["a"], "seeds": [0], "runs": ["a/seed-0"]}


def test_what_json_does_not_have_becomes_null() -> None:
    assert plain({"a": math.nan, "b": [(1.0, math.inf)], "c": {"d": -math.inf}}) == {
        "a": None,
        "b": [[1.0, None]],
        "c": {"d": None},
    }
    assert json_line({"a": math.nan, "b": 0.1}) == b'{"a": null, "b": 0.1}\n'
    assert json_document({"a": [1]}) == b'{\n  "a": [\n    1\n  ]\n}\n'


def test_a_document_is_read_as_it_was_written_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    for one_line in (False, True):
        write_document(path, ComparisonIndex, INDEX, one_line)
        assert list(read_document(path, ComparisonIndex).items()) == list(INDEX.items())


def test_what_is_no_document_of_the_kind_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        write_document(tmp_path / "comparison.json", ComparisonIndex, {"schema": 1})
    assert not (tmp_path / "comparison.json").exists()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[", "Invalid JSON"),
        ("[]", "Input should be"),
        ('{"schema": 1}', r"methods: Field required"),
        ('{"schema": 1, "methods": ["a"], "seeds": ["0"], "runs": []}', r"seeds\.0: Input should be a valid integer"),
        ('{"schema": 2, "methods": [], "seeds": [], "runs": []}', "schema: Input should be 1"),
    ],
)
def test_damage_is_named_with_its_file_and_place(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "comparison.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"comparison.json is damaged \({place}.*; valid: the JSON object that"):
        read_document(path, ComparisonIndex)


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*comparison.json: No such file"):
        read_document(tmp_path / "comparison.json", ComparisonIndex)
