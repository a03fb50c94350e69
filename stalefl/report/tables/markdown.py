"""Markdown tables, as GitHub shows them: https://github.github.com/gfm/#tables-extension-."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RULES = {"l": "---", "r": "---:"}
"""What stands below a header, by the alignment of its column."""


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> str:
    """A table with one line for the headers and one for each row, ending in a newline.

    ``alignment`` has a letter for each column, as LaTeX's ``tabular``: "l" for text and "r" for numbers. Cells may hold
    any text: a ``|`` is escaped, and a line break becomes a space.
    """
    rules = [RULES[letter] for letter in alignment]
    lines = [_escaped(headers), rules, *map(_escaped, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(cells: Sequence[str]) -> list[str]:
    return [" ".join(cell.splitlines()).replace("|", r"\|") for cell in cells]
