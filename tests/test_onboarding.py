"""docs/onboarding.md is true to the code: its paths exist, its names are defined, its ways visit a file once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.tools.package_tree import PACKAGE, first_sentence, folders, modules_of

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^( *)```.*?^\1```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*(?:/|\.py|\.md|\.toml|\.html))`")
WAYS = ("### A run", "### The page of a report", "### The audit")
ADDED = re.findall(r"^\| ((?!what |---).+?) \| (.+) \|$", PAGE.partition("## Where to add what")[2], re.MULTILINE)
RECIPES = re.findall(r"^### (Add .+?)$(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`(_?[a-z]+(?:_[a-z]+)+|_[a-z]+|[A-Z][A-Za-z]+|[A-Z_]{4,})`")
"""A function with an underscore, a class or a constant."""
PLACEHOLDERS = {"NAME", "InputError", "model_move"}
"""The names of examples, and what any file may raise."""


def place(path: str) -> Path:
    """Where a path of the page lies: in stalefl/, or in another folder of the repository."""
    return next((base / path for base in (PACKAGE, ROOT) if (base / path).exists()), ROOT / "nowhere")


def section(heading: str) -> str:
    return PAGE.partition(f"{heading}\n")[2].partition("\n##")[0]


def paths_of(text: str) -> list[str]:
    return PATH.findall(text)


def test_every_path_exists() -> None:
    known = [path.replace("NAME.py", "") for path in paths_of(PROSE)]
    assert len(known) > 80
    assert [path for path in known if not place(path).exists()] == []


@pytest.mark.parametrize("way", WAYS)
def test_a_way_visits_a_file_once(way: str) -> None:
    steps = [path for line in section(way).split("\n") for path in paths_of(line)]
    assert len(steps) >= 10
    assert len(steps) == len(set(steps))


@pytest.mark.parametrize(("what", "where"), [*ADDED, *RECIPES], ids=lambda text: text[:40])
def test_what_is_named_is_defined_in_a_file_beside_it(what: str, where: str) -> None:
    files = [place(path) for path in paths_of(where) if "NAME" not in path]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files if path.is_file())
    names = set(NAME.findall(where)) - PLACEHOLDERS
    missing = [
        name for name in sorted(names) if not re.search(rf"(?:def|class) {name}\b|^\s*{name}\b\s*[:=]", code, re.M)
    ]
    assert missing == []


def test_the_table_and_the_recipes_are_found() -> None:
    assert len(ADDED) >= 20
    assert len(RECIPES) == 3


@pytest.mark.parametrize("folder", [PACKAGE, *(place.path for place in folders() if place.path.is_dir())], ids=str)
def test_every_folder_and_module_says_what_it_is_for(folder: Path) -> None:
    assert first_sentence(folder / "__init__.py")
    assert [module.name for module in modules_of(folder) if not module.purpose] == []
