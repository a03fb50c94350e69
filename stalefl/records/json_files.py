"""JSON on disk: written without NaN, read as the type that stands for the document."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from stalefl.contracts import InputError
from stalefl.storage import write_whole


def plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` as JSON gives it back: NaN and infinities, which JSON does not have, become None."""
    return {key: _plain_value(value) for key, value in content.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, (list, tuple)):
        return [_plain_value(item) for item in value]
    return value


def json_line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(content), allow_nan=False).encode() + b"\n"


def json_document(content: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(content), allow_nan=False, indent=2).encode() + b"\n"


def write_document(path: Path, kind: Any, content: Mapping[str, Any], one_line: bool = False) -> None:
    """Write a document whole, indented or on ``one_line``.

    Raises InputError if ``path`` cannot be written, and pydantic's ValidationError if ``content`` is no document of
    this ``kind``, one of the types in ``records/documents``.
    """
    text = json_line(content) if one_line else json_document(content)
    _adapter(kind).validate_json(text)
    write_whole(path, text)


def read_document(path: Path, kind: Any) -> dict[str, Any]:
    """The document in a file, of the type ``kind``. Raises InputError, which names the place that is damaged."""
    try:
        return parsed(path.read_bytes(), kind)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; valid: a readable file") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); valid: the JSON object that stalefl wrote") from error


def parsed(text: bytes, kind: Any) -> dict[str, Any]:
    """A JSON object of the type ``kind``. Raises ValueError, which names the place that is wrong, and why."""
    try:
        return dict(_adapter(kind).validate_json(text))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, found["loc"]))
        raise ValueError(f"{place}: {found['msg']}" if place else found["msg"]) from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
