"""A reader for the idx files of MNIST and its relatives, extracted or as the .gz they are published as.

Format: two zero bytes, the type (8 = unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit
integer, then the bytes (LeCun, Cortes, Burges: The MNIST database of handwritten digits).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stalefl.contracts import InputError

UNSIGNED_BYTE = 8


def find_idx(folder: Path, name: str) -> Path:
    """The extracted file if it is there, else where its .gz would be."""
    extracted = folder / name
    return extracted if extracted.is_file() else folder / f"{name}.gz"


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The bytes as uint8 with ``dimensions`` dimensions. Raises InputError naming the file if it is damaged."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes((0, 0, UNSIGNED_BYTE, dimensions)):
        raise _damaged(path, f"it does not begin as an idx file of bytes in {dimensions} dimension(s)")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != prod(shape):
        raise _damaged(path, f"{len(content) - header} bytes of data where its header promises {prod(shape)}")
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape).copy())


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged: {why}; fetch it anew")
