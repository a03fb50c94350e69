"""Words for a schema: what a key expects, and what is wrong with a value, in one line."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

Schema = TypeVar("Schema", bound=BaseModel)


@dataclass(frozen=True)
class Key:
    """One key of a table or one option of a plugin, in words."""

    name: str
    type: str
    """As "integer >= 0"."""
    default: str
    """As TOML would write it; "required" if there is none."""
    description: str


def validate(model: type[Schema], document: Mapping[str, Any]) -> Schema:
    """``document`` as an instance of ``model``. Raises pydantic's ValidationError.

    It is validated as JSON: strictly, yet a list is taken for a tuple and a string for a path, which a strict model
    would refuse from Python objects.
    """
    return model.model_validate_json(json.dumps(document, default=str))


def keys_of(model: type[BaseModel]) -> tuple[Key, ...]:
    """The keys of one table, in the order of its definition."""
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    return tuple(
        Key(
            name,
            describe_type(schema),
            "required" if name in required else as_toml(schema.get("default", {})),
            schema.get("description", ""),
        )
        for name, schema in model.model_json_schema()["properties"].items()
    )


def describe_type(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words: "integer >= 0", "one of dirichlet, iid", "list of strings or ..."."""
    if "anyOf" in schema:
        return _describe_choices(schema["anyOf"])
    if "const" in schema:
        return f"only {schema['const']}"
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = schema.get("type", "value")
    if kind == "array":
        return _describe_list(schema)
    words = {"object": "table", "boolean": "true or false", "null": "nothing"}.get(kind, kind)
    if schema.get("format") in ("path", "file-path", "directory-path"):
        words = "path"
    return " ".join([words, *_limits(schema)])


def _describe_choices(choices: Sequence[Mapping[str, Any]]) -> str:
    """A single value beside others goes by its bare name: "integer > 0, or auto"."""
    words = [str(choice["const"]) if "const" in choice else describe_type(choice) for choice in choices]
    return (", or " if any("const" in choice for choice in choices) else " or ").join(words)


def _describe_list(schema: Mapping[str, Any]) -> str:
    fixed = schema.get("prefixItems")
    if fixed:
        return "list of " + ", ".join(map(describe_type, fixed))
    kind, *limits = describe_type(schema.get("items", {})).split(" ", 1)
    return " ".join(["list of", f"{kind}s", *limits])


def _limits(schema: Mapping[str, Any]) -> list[str]:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{sign} {schema[key]:.12g}" for key, sign in signs.items() if key in schema]
    return [" and ".join(limits)] if limits else []


def as_toml(value: Any) -> str:
    """A value as TOML writes it, on one line, shortened if it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def one_line(text: str) -> str:
    return " ".join(text.split())


def nearest(name: str, valid: Iterable[str]) -> str:
    """``did you mean "x"? Valid: x, y`` with the closest of the valid names, if one is close."""
    names = list(valid)
    matches = difflib.get_close_matches(name, names, n=1)
    guess = f'did you mean "{matches[0]}"? Valid: ' if matches else "valid: "
    return guess + (", ".join(names) or "none")


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of a document: ``path`` leads there, ``text`` says what and what would be valid."""

    path: tuple[str, ...]
    text: str


def problems(error: ValidationError, model: type[BaseModel], document: Mapping[str, Any]) -> list[Problem]:
    """One problem per place, in the order found (a union reports each of its members; they are one problem)."""
    found: dict[tuple[str, ...], Problem] = {}
    for detail in error.errors(include_url=False, include_context=False):
        location = tuple(map(str, detail["loc"]))
        problem = _problem(location, detail["type"], detail["msg"], model, document)
        found.setdefault(problem.path, problem)
    return list(found.values())


def first_of(found: Sequence[Problem]) -> str:
    """The first problem, and how many there are besides."""
    return found[0].text + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")


def _problem(
    location: tuple[str, ...], kind: str, message: str, model: type[BaseModel], document: Mapping[str, Any]
) -> Problem:
    """Walk down ``location`` through the tables to the key at fault."""
    if not location:
        return Problem((), message.removeprefix("Value error, "))
    value: Any = document
    place: Any = model
    parent = model
    depth = 0
    while _is_table(place) and depth < len(location):
        name = location[depth]
        value = value.get(name) if isinstance(value, Mapping) else None
        if get_origin(place) is dict:
            place = get_args(place)[1]
        else:
            parent = place
            place = parent.model_fields[name].annotation if name in parent.model_fields else None
        depth += 1
    path = location[:depth]
    return Problem(path, _text(path, value, kind, message, parent, is_table=_is_table(place)))


def _is_table(annotation: Any) -> bool:
    """Whether it is a table of known keys, or one of such tables by names of the user's own."""
    if get_origin(annotation) is dict:
        return _is_table(get_args(annotation)[1])
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _text(path: tuple[str, ...], value: Any, kind: str, message: str, table: type[BaseModel], is_table: bool) -> str:
    key = ".".join(path)
    if kind == "extra_forbidden":
        return f"unknown {as_toml(key)}; {nearest(path[-1], table.model_fields)}"
    if kind == "missing":
        return f"{key} is missing; it has no default"
    if is_table:
        return f"{key} = {as_toml(value)} is not a table; write [{key}]"
    if kind == "value_error":
        return f"{key} = {as_toml(value)}: {message.removeprefix('Value error, ')}"
    expected = next(entry.type for entry in keys_of(table) if entry.name == path[-1])
    finite = "finite " if kind == "finite_number" else ""
    return f"{key} = {as_toml(value)} is not valid; valid: {finite}{expected}"
