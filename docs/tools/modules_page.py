"""modules.md: every module of stalefl with what it is for."""

from __future__ import annotations

import textwrap

from docs.tools.markdown_page import LINE_LENGTH, page
from docs.tools.package_tree import PACKAGE, Place, folders, modules_of


def modules_page() -> str:
    """A section for every folder: its purpose, and a list of its modules."""
    intro = "Every module of `stalefl/` in a sentence; how they go together is in [onboarding.md](onboarding.md)."
    loose = "## `stalefl/`\n\n" + _modules(modules_of(PACKAGE))
    return page("Modules", intro, loose, *(_section(place) for place in folders() if place.path.is_dir()))


def _section(folder: Place) -> str:
    heading = f"## `{folder.path.relative_to(PACKAGE.parent).as_posix()}/`"
    modules = modules_of(folder.path)
    return "\n\n".join(filter(None, [heading, folder.purpose, _modules(modules) if modules else ""]))


def _modules(modules: list[Place]) -> str:
    lines = [f"- `{module.name}`: {module.purpose}" for module in modules]
    return "\n".join(textwrap.fill(line, LINE_LENGTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines)
