"""Markdown as the generated pages have it: a title, a note on where the page comes from, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stalefl.config.explain import Key
from stalefl.report.tables.markdown import markdown_table

ROOT = Path(__file__).parents[2]
"""The repository."""
DOCS = ROOT / "docs"
LINE_LENGTH = 120
NOTE = "<!-- Written by docs/tools; change the code and run `make docs`. -->"


def page(title: str, *parts: str) -> str:
    """A whole page, whose parts stand one below the other."""
    return "\n\n".join([f"# {title}", NOTE, *parts]) + "\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are all flush left, without a newline at its end."""
    return markdown_table(headings, rows, "l" * len(headings)).rstrip()


def key_table(heading: str, keys: Sequence[Key]) -> str:
    """The keys of an experiment's table or the options of a plugin, a row each."""
    rows = [[f"`{key.name}`", key.type, f"`{key.default}`", key.description] for key in keys]
    return table([heading, "type and range", "default", "meaning"], rows)
