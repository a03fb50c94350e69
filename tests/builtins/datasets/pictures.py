"""Small files in the formats of the published data sets."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def write_idx(path: Path, array: np.ndarray, compressed: bool = False) -> None:
    content = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if compressed else content)


def write_mnist(folder: Path, train: int = 20, test: int = 10, compressed: bool = True) -> None:
    """Sample i has the label i % 10, and all its pixels are i."""
    ending = ".gz" if compressed else ""
    for part, count in (("train", train), ("t10k", test)):
        images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 28, 28))
        write_idx(folder / f"{part}-images-idx3-ubyte{ending}", np.ascontiguousarray(images), compressed)
        write_idx(folder / f"{part}-labels-idx1-ubyte{ending}", (np.arange(count) % 10).astype(np.uint8), compressed)


def encoded(value: int, size: tuple[int, int] = (6, 4), mode: str = "RGB", kind: str = "PNG") -> bytes:
    """A plain image of width x height pixels: grey of ``value``, or red of it without green and blue."""
    colour: int | tuple[int, int, int] = value if mode == "L" else (value, 0, 0)
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, kind)
    return file.getvalue()
