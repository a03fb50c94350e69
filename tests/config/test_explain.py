from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError, field_validator

from stalefl.config.explain import Key, first_of, keys_of, nearest, problems, validate
from stalefl.contracts import Options


class Inner(Options):
    name: str
    depth: int = 1


class Tuned(Options):
    size: int = Field(16, ge=1, le=64, description="samples")
    rate: float | None = Field(None, description="rate")
    folder: Path = Path("here")
    pair: tuple[int, str] = (1, "a")
    mode: Literal["plain"] = "plain"
    count: PositiveInt | Literal["auto"] = "auto"
    shares: tuple[Annotated[float, Field(gt=0)], ...] = ()
    must: int
    tables: dict[str, Inner] = Field(default_factory=dict)

    @field_validator("must")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


def test_keys_in_words() -> None:
    assert keys_of(Tuned) == (
        Key("size", "integer >= 1 and <= 64", "16", "samples"),
        Key("rate", "number or nothing", "null", "rate"),
        Key("folder", "path", '"here"', ""),
        Key("pair", "list of integer, string", '[1, "a"]', ""),
        Key("mode", "only plain", '"plain"', ""),
        Key("count", "integer > 0, or auto", '"auto"', ""),
        Key("shares", "list of numbers > 0", "[]", ""),
        Key("must", "integer", "required", ""),
        Key("tables", "table", "{}", ""),
    )
    assert keys_of(Options) == ()


def test_a_strict_model_takes_what_toml_can_say() -> None:
    tuned = validate(Tuned, {"folder": "there", "pair": [2, "b"], "rate": 1, "must": 2})
    assert (tuned.folder, tuned.pair, tuned.rate) == (Path("there"), (2, "b"), 1.0)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "must is missing; it has no default"),
        ({"must": 3}, "must = 3: must be even"),
        ({"must": 2, "size": 65}, "size = 65 is not valid; valid: integer >= 1 and <= 64"),
        ({"must": 2, "pair": [1, 2]}, "pair = [1, 2] is not valid; valid: list of integer, string"),
        ({"must": 2, "sise": 5}, 'unknown "sise"; did you mean "size"? Valid: size, rate,'),
        ({"must": 2, "rate": "a", "size": "b"}, "(and 1 more)"),
        ({"must": 2, "tables": {"my own": {}}}, "tables.my own.name is missing; it has no default"),
        (
            {"must": 2, "tables": {"a": {"nane": "x", "name": "y"}}},
            'unknown "tables.a.nane"; did you mean "name"? Valid:',
        ),
        (
            {"must": 2, "tables": {"a": {"name": "y", "depth": "x"}}},
            'tables.a.depth = "x" is not valid; valid: integer',
        ),
        ({"must": 2, "tables": {"a": 3}}, "tables.a = 3 is not a table; write [tables.a]"),
        ({"must": 2, "tables": 3}, "tables = 3 is not a table; write [tables]"),
    ],
)
def test_what_is_wrong_in_words(document: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        validate(Tuned, document)
    assert said in first_of(problems(caught.value, Tuned, document))


def test_nearest() -> None:
    assert nearest("inversoin", ["inversion", "weighted"]) == 'did you mean "inversion"? Valid: inversion, weighted'
    assert nearest("x", []) == "valid: none"
