"""onboarding.md: its tree, from the docstrings of stalefl, and its layers, from import-linter's in pyproject.toml."""

from __future__ import annotations

import re
import textwrap

import tomli

from docs.tools.markdown_page import DOCS, LINE_LENGTH, ROOT
from docs.tools.package_tree import folders

MARKED = re.compile(r"<!-- (tree|layers) -->\n.*?<!-- end -->", re.DOTALL)
PURPOSE_COLUMN = 22


def onboarding_page() -> str:
    """onboarding.md as it stands, with ``<!-- tree -->`` and ``<!-- layers -->`` followed by what the code says."""
    made = {"tree": tree, "layers": layers}
    text = (DOCS / "onboarding.md").read_text(encoding="utf-8")
    return MARKED.sub(lambda m: f"<!-- {m[1]} -->\n```\n{made[m[1]]()}\n```\n<!-- end -->", text)


def tree() -> str:
    """A line for every folder and every loose module of the package, with its purpose."""
    return "\n".join(
        textwrap.fill(
            place.purpose,
            width=LINE_LENGTH,
            initial_indent=("  " * place.depth + place.name).ljust(PURPOSE_COLUMN),
            subsequent_indent=" " * PURPOSE_COLUMN,
        )
        for place in folders()
    )


def layers() -> str:
    """The rooms of the package from top to bottom, a line for each layer."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    return "\n".join(next(contract["layers"] for contract in contracts if contract["type"] == "layers"))
