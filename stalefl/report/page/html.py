"""HTML pages, each in one file that needs no other and no network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from stalefl.storage import write_whole


def write_page(path: Path | str, template: str, content: Mapping[str, Any]) -> None:
    """Fill in a template of ``report/page/templates``; all text is escaped. Raises InputError if ``path`` cannot be
    written."""
    write_whole(path, _template(template).render(content).encode())


@lru_cache
def _template(name: str) -> Template:
    loader = PackageLoader("stalefl.report.page", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    return environment.get_template(name)
