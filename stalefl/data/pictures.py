"""The one reader of pictures: files and encoded bytes of all formats that Pillow reads -> pixels of 8 bits.

A picture is turned as its EXIF orientation says, as viewers show it. 16 bits become 8 by dividing by 257, so that 65535
is 255. Transparent pixels show white below. Grey pictures (also of 1 or 16 bits, or with transparency) have one
channel, all others (palettes, CMYK, ...) become red, green and blue.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stalefl.contracts import InputError
from stalefl.data.memory import check_memory
from stalefl.formatting import printable

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]
"""[C, H, W], C 1 for grey and 3 for colours."""

GREY_MODES = ("1", "L", "LA")
TRANSPARENT_MODES = ("LA", "PA", "RGBA", "RGBa")
SIXTEEN_BIT_FORMATS = ("PNG", "PPM")
"""Their 16-bit grey has the mode I of 32 bits in older versions of Pillow."""
DEEPEST = 65535


def read_picture(source: bytes | Path, place: str, size: int = 0) -> Pixels:
    """The picture in a file or in encoded bytes; with ``size`` > 0 resized and centre-cropped to size x size.

    Raises InputError that begins with ``place`` if there is no regular file, or no picture that can be decoded.
    """
    from PIL import Image

    try:
        content = source if isinstance(source, bytes) else _content(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual metadata, and of sizes below the limit
            with Image.open(io.BytesIO(content)) as opened:
                opened.load()
                return _pixels(opened, size)
    except Exception as error:  # Pillow's readers raise many kinds of errors for broken pictures
        reason = getattr(error, "strerror", None) or str(error).partition(" <_io")[0] or type(error).__name__
        raise InputError(f"{printable(place)} cannot be decoded: {printable(reason)}") from error


def as_colours(pixels: Pixels) -> Pixels:
    """Three channels, of grey the same three times."""
    return np.broadcast_to(pixels, (3, *pixels.shape[1:]))


def stack_pictures(pictures: Iterable[Pixels], count: int, name: str) -> Tensor:
    """uint8 [N, C, H, W] of ``count`` pictures, filled in place; grey only if all are. Raises InputError if they differ
    in size or do not fit into memory."""
    stacked: Pixels | None = None
    for position, pixels in enumerate(pictures):
        if stacked is None:
            check_memory(
                count * pixels.size, f"{name}: {count} pictures of {_size(pixels)}", "valid: a smaller image_size"
            )
            stacked = np.empty((count, *pixels.shape), dtype=np.uint8)
        if pixels.shape[1:] != stacked.shape[2:]:
            raise InputError(
                f"{name}: images differ in size ({_size(stacked[0])} and {_size(pixels)}); give image_size"
            )
        if len(pixels) > stacked.shape[1]:
            stacked = np.repeat(stacked, 3, axis=1)
        stacked[position] = pixels
    if stacked is None:
        raise InputError(f"{name}: there are no images")
    return torch.from_numpy(stacked)


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ValueError("no regular file")
    check_memory(path.stat().st_size, f"{path}", "a smaller picture")
    return path.read_bytes()


def _pixels(opened: Image.Image, size: int) -> Pixels:
    from PIL import Image, ImageOps

    image = _eight_bits(_upright(opened), opened.format)
    if size:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if image.mode == "L" else pixels.transpose(2, 0, 1)


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # unreadable EXIF says nothing, and viewers show the picture as it is stored
        return image


def _eight_bits(image: Image.Image, kind: str | None) -> Image.Image:
    """In the mode L or RGB."""
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and kind in SIXTEEN_BIT_FORMATS):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(((values * 255 + DEEPEST // 2) // DEEPEST).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32 bits a pixel; valid: 8 or 16")
    mode = "L" if image.mode in GREY_MODES else "RGB"
    if image.mode in TRANSPARENT_MODES or "transparency" in image.info:
        transparent = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, transparent).convert(mode)
    return image if image.mode == mode else image.convert(mode)


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[2]}"
