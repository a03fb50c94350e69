"""The folders and modules of stalefl with what each is for: the first sentence of its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.tools.markdown_page import ROOT

PACKAGE = ROOT / "stalefl"
SENTENCE = re.compile(r"(?:\([^)]*\)|[^(])*?[.?!](?=\s|$)", re.DOTALL)
"""Up to the first full stop outside brackets."""


@dataclass(frozen=True)
class Place:
    """A folder (``name`` ends in a slash) or a module, ``depth`` folders below the package."""

    path: Path
    depth: int
    name: str
    purpose: str


def folders() -> list[Place]:
    """Every folder of the package that holds modules, and the modules that lie loose in the package itself."""
    inner = [place for folder in _subfolders(PACKAGE) for place in _folders_below(folder, depth=0)]
    return [*inner, *modules_of(PACKAGE)]


def modules_of(folder: Path) -> list[Place]:
    """The modules of one folder by name, without ``__init__.py`` and ``__main__.py``."""
    depth = len(folder.relative_to(PACKAGE).parts)
    files = [path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("__")]
    return [Place(path, depth, path.name, first_sentence(path)) for path in files]


def first_sentence(module: Path) -> str:
    """The first sentence of a module's docstring on one line, in Markdown; "" if it has none."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    found = SENTENCE.match(text)
    return " ".join((found[0] if found else text).split()).replace("``", "`")


def _folders_below(folder: Path, depth: int) -> Iterator[Place]:
    yield Place(folder, depth, f"{folder.name}/", first_sentence(folder / "__init__.py"))
    for inner in _subfolders(folder):
        yield from _folders_below(inner, depth + 1)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/__init__.py"))
