"""Checks of what all plugins have in common: their class, what they say of themselves, their options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from stalefl.config.explain import describe_type
from stalefl.contracts import InputError
from stalefl.registry import unfit, validated_options
from stalefl.testing.findings import Check

UNKNOWN_OPTION = "no-such-option"
WRONG = {"integer": "1", "number": "1", "boolean": "true", "string": 1, "array": 1, "object": 1}
"""For each type of JSON a value of another type: one that is taken nevertheless where options are not strict."""


def class_check(kind: str) -> Check:
    """The first check of every kind."""

    def check_class(cls: type[Any], options: Mapping[str, Any] | None = None, *where: Any) -> str:
        """It is a subclass of the class of its kind, and its steps take the arguments they are called with."""
        problem = unfit(cls, kind)
        assert not problem, problem
        return ""

    return check_class


def check_description(cls: type[Any], options: Mapping[str, Any] | None = None, *where: Any) -> str:
    """It has a summary, and each of its options a description."""
    assert cls.summary, f"{cls.__name__}.summary is empty; say in a few words what it is"
    lacking = [name for name, field in cls.Options.model_fields.items() if not field.description]
    assert not lacking, f"options without a description: {', '.join(lacking)}"
    return ""


def check_options_are_validated(cls: type[Any], options: Mapping[str, Any] | None = None, *where: Any) -> str:
    """Defaults are valid; unknown options and wrong types are refused in one line; instances are frozen."""
    schema: type[Any] = cls.Options
    options = options or {}
    whole = validated_options(schema, options, cls.__name__)
    _check_refused(schema, {**options, UNKNOWN_OPTION: 1}, "an unknown option")
    properties = schema.model_json_schema()["properties"] if schema.model_fields else {}
    for name, described in properties.items():
        wrong = WRONG.get(described.get("type", ""), {"wrong": "type"})
        _check_refused(schema, {**options, name: wrong}, f"{name} = {json.dumps(wrong)} ({describe_type(described)})")
    defaults = whole.model_dump(mode="json")
    try:
        validated_options(schema, defaults, cls.__name__)
    except InputError as error:
        raise AssertionError(f"a default is not valid: {error}") from error
    _check_frozen(whole)
    return ""


def _check_refused(schema: type[Any], values: Mapping[str, Any], what: str) -> None:
    try:
        validated_options(schema, values, "it")
    except InputError:
        return
    except Exception as error:
        raise AssertionError(
            f"{what} raises {type(error).__name__} ({error}); a validator must raise ValueError"
        ) from error
    raise AssertionError(
        f"{what} is taken; derive Options from stalefl.contracts.Options, and give each field its type"
    )


def _check_frozen(options: BaseModel) -> None:
    for name in type(options).model_fields:
        try:
            setattr(options, name, getattr(options, name))
        except (ValidationError, TypeError, AttributeError):
            return
        raise AssertionError("options can be changed; derive Options from stalefl.contracts.Options")
