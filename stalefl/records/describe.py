"""The types of the documents in words, as docs/records.md shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from stalefl.config.explain import describe_type, one_line
from stalefl.records.documents.audit import AuditResult
from stalefl.records.documents.comparison import ComparisonIndex, ComparisonSummary
from stalefl.records.documents.inversion import InversionResult
from stalefl.records.documents.rounds import RoundRecord
from stalefl.records.documents.run import DataSummary, Environment, RunResult
from stalefl.records.documents.sweep import ResultRow, RunFailure, SweepIndex

DOCUMENTS: Mapping[str, Mapping[str, Any]] = {
    "run": {
        "rounds.jsonl": RoundRecord,
        "result.json": RunResult,
        "environment.json": Environment,
        "data.json": DataSummary,
    },
    "comparison": {"comparison.json": ComparisonIndex, "summary.json": ComparisonSummary},
    "sweep": {"sweep.json": SweepIndex, "failed.json": RunFailure, "results.parquet": ResultRow},
    "inversion": {"result.json": InversionResult},
    "privacy audit": {"result.json": AuditResult},
}
"""The type of every document, by the folder that it lies in and its file."""


TableWriter = Callable[[list[str], list[list[str]]], str]
"""Makes a Markdown table of headings and rows."""


class Field(NamedTuple):
    """A key of an object, in words."""

    name: str
    type: str
    meaning: str


class ObjectType(NamedTuple):
    """A JSON object, in words: a document, or a part of one."""

    name: str
    meaning: str
    fields: tuple[Field, ...]


def document_sections(table: TableWriter) -> Iterator[str]:
    """The page's sections in Markdown: one for each kind of folder, then one for the parts that documents share."""
    types = {kind: list(object_types(kind)) for files in DOCUMENTS.values() for kind in files.values()}
    counts = Counter(part.name for found in types.values() for part in found)
    shared = {part.name: part for found in types.values() for part in found if counts[part.name] > 1}
    for folder, files in DOCUMENTS.items():
        article = "an" if folder[0] in "aeiou" else "a"
        yield f"## Folder of {article} {folder}"
        for file, kind in files.items():
            document, *parts = types[kind]
            yield f"### `{file}` of {article} {folder}\n\n{document.meaning}\n\n{_field_table(document, table)}"
            yield from (_part_section(part, table) for part in parts if part.name not in shared)
    yield "## Parts of several documents"
    yield from (_part_section(part, table) for part in shared.values())


def _part_section(part: ObjectType, table: TableWriter) -> str:
    return f"#### {part.name}\n\n{part.meaning}\n\n{_field_table(part, table)}"


def _field_table(part: ObjectType, table: TableWriter) -> str:
    return table(["field", "type", "meaning"], [[f"`{name}`", kind, meaning] for name, kind, meaning in part.fields])


def object_types(kind: Any) -> Iterator[ObjectType]:
    """A document's type and then those of its parts, in the order in which they occur."""
    schema = TypeAdapter(kind).json_schema()
    parts: dict[str, Any] = schema.get("$defs", {})
    todo = [schema]
    seen = {schema["title"]}
    while todo:
        current = todo.pop(0)
        yield _object_type(current)
        for name in _parts_of(current["properties"]):
            if name not in seen:
                seen.add(name)
                todo.append(parts[name])


def _object_type(schema: Mapping[str, Any]) -> ObjectType:
    required = schema.get("required", ())
    fields = tuple(
        Field(name, words_of(field) + ("" if name in required else "; may be missing"), one_line(field["description"]))
        for name, field in schema["properties"].items()
    )
    return ObjectType(schema["title"], one_line(schema["description"]), fields)


def _parts_of(node: Any) -> Iterator[str]:
    """The names of the types to which a schema refers."""
    if isinstance(node, Mapping):
        if "$ref" in node:
            yield _name(node)
        for value in node.values():
            yield from _parts_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from _parts_of(value)


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def words_of(schema: Mapping[str, Any]) -> str:
    """A field's type: "integer >= 0 or null", "list of LateUpdateRecord", "object of ShadowRecord by name"."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(words_of(choice) for choice in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return describe_type(schema)
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(map(words_of, schema['prefixItems']))}]"
        items = words_of(schema["items"])
        return f"list of ({items})" if " or " in items else f"list of {items}"
    if isinstance(values := schema.get("additionalProperties"), Mapping) and "properties" not in schema:
        return f"object of {words_of(values)} by name"
    return {"null": "null", "string": "text", "object": "object"}.get(schema.get("type", ""), describe_type(schema))
