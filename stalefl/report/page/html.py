"""Self-contained HTML pages: text, tables and pictures in one file that needs no other and no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from stalefl.storage import write_whole

MOST_COLOURS = 128


def write_page(path: Path | str, template: str, content: Mapping[str, Any]) -> None:
    """Fill in a template of ``report/page/templates``; all text is escaped. Raises InputError if ``path`` cannot be
    written."""
    write_whole(path, _template(template).render(content).encode())


def embedded(picture: Path | str) -> str:
    """A PNG file as the source of an image."""
    return _source(Path(picture).read_bytes())


def drawn(draw: Callable[[Path], None]) -> str:
    """What ``draw`` writes to the path that it is given, as the source of an image: a PNG of few colours, which is a
    third of the size."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(path)
        return compact(path)


def compact(picture: Path) -> str:
    """A PNG file as the source of an image of few colours."""
    smaller = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(MOST_COLOURS).save(smaller, format="png", optimize=True)
    return _source(smaller.getvalue())


def _source(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@lru_cache
def _template(name: str) -> Template:
    loader = PackageLoader("stalefl.report.page", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    return environment.get_template(name)
