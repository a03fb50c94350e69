"""Pictures as the sources of a page's images, which so need no file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

MOST_COLOURS = 128


def image_source(picture: Path | str) -> str:
    """A PNG file as the source of an image."""
    return _source(Path(picture).read_bytes())


def small_image_source(picture: Path) -> str:
    """A PNG file as the source of an image of few colours, which is a third of the size."""
    smaller = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(MOST_COLOURS).save(smaller, format="png", optimize=True)
    return _source(smaller.getvalue())


def drawn_image_source(draw: Callable[[Path], None]) -> str:
    """The picture that ``draw`` writes to the path that it is given, as ``small_image_source`` has it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(path)
        return small_image_source(path)


def _source(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
