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
from stalefl.data.memory import check_memory

UNSIGNED_BYTE = 8


def find_idx(folder: Path, name: str) -> Path:
    """The extracted file if it is there, else where its .gz would be."""
    extracted = folder / name
    return extracted if extracted.is_file() else folder / f"{name}.gz"


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The bytes as uint8 with ``dimensions`` dimensions. Raises InputError naming the file if it is damaged."""
    begin = 4 + 4 * dimensions
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(begin)
            if len(header) < begin or header[:4] != bytes((0, 0, UNSIGNED_BYTE, dimensions)):
                raise _damaged(path, f"it does not begin as an idx file of bytes in {dimensions} dimension(s)")
            shape = struct.unpack(f">{dimensions}I", header[4:])
            check_memory(2 * prod(shape), f"{path} says that it holds {prod(shape)} bytes", "fetch it anew")
            content = file.read(prod(shape) + 1)  # one more than there should be, no more
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) != prod(shape):
        held = f"{len(content)} bytes of data" + (" or more" if len(content) > prod(shape) else "")
        raise _damaged(path, f"{held} where its header promises {prod(shape)}")
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).reshape(shape).copy())


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged: {why}; fetch it anew")
