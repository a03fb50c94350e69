from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from stalefl.records.describe import Field, object_types
from stalefl.records.documents.common import Count, SchemaNumber, document


@document
class Leaf(TypedDict):
    """A part."""

    share: float | None
    """from 0 to 1;
    null if not known"""


@document
class Tree(TypedDict):
    """A document."""

    schema: SchemaNumber
    """its form"""
    leaves: list[Leaf]
    """its leaves"""
    named: NotRequired[dict[str, Leaf]]
    """leaves by name"""
    counts: list[Count | None]
    """how many"""


def test_a_document_and_its_parts_are_told_in_words() -> None:
    tree, leaf = object_types(Tree)
    assert (tree.name, tree.meaning, leaf.name, leaf.meaning) == ("Tree", "A document.", "Leaf", "A part.")
    assert tree.fields == (
        Field("schema", "only 1", "its form"),
        Field("leaves", "list of Leaf", "its leaves"),
        Field("named", "object of Leaf by name; may be missing", "leaves by name"),
        Field("counts", "list of (integer >= 0 or null)", "how many"),
    )
    assert leaf.fields == (Field("share", "number or null", "from 0 to 1; null if not known"),)
