"""A partition and its late clients as a file: safetensors, written whole and then renamed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stalefl.contracts import InputError
from stalefl.data.partition import Partition
from stalefl.storage import METADATA_KEY, replacing

PARTITION_FORMAT = "stalefl-partition-1"
ARRAYS = ("indices", "sizes", "late_clients")


def save_partition(path: Path, partition: Partition, late_clients: tuple[int, ...], meta: dict[str, Any]) -> None:
    """Write the partition; ``meta`` is anything JSON can hold. Raises InputError if the path cannot be written."""
    arrays = {
        "indices": np.concatenate(partition.indices).astype(np.int64),
        "sizes": np.array(partition.sizes, dtype=np.int64),
        "late_clients": np.array(late_clients, dtype=np.int64),
    }
    header = {"format": PARTITION_FORMAT, "digest": _digest(arrays, meta), "meta": meta}
    # One key only: safetensors writes several in an order that changes from process to process.
    metadata = {METADATA_KEY: json.dumps(header, sort_keys=True)}
    with replacing(path) as partial:
        try:
            save_file(arrays, partial, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load_partition(path: Path) -> tuple[Partition, tuple[int, ...], dict[str, Any]]:
    """Read (partition, late clients, meta). Raises InputError if the file is missing, damaged or something else."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no partition file {path}")
    try:
        arrays, header = _read(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"the partition {path} is damaged: {error}") from error
    if set(arrays) != set(ARRAYS) or header.get("format") != PARTITION_FORMAT:
        raise InputError(f"{path} is not a partition written by stalefl")
    meta: Any = header.get("meta")
    indices, sizes, late = (arrays[name] for name in ARRAYS)
    if fault := _fault(indices, sizes, late, meta):
        raise InputError(f"the partition {path} is damaged: {fault}")
    if header.get("digest") != _digest(arrays, meta):
        raise InputError(f"the partition {path} is damaged: its content does not match its digest")
    parts = tuple(np.split(indices, np.cumsum(sizes)[:-1]))
    return Partition(parts), tuple(int(client) for client in late), meta


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with safe_open(path, framework="np") as file:
        header = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    return arrays, header if isinstance(header, dict) else {}


def _fault(indices: Any, sizes: Any, late: Any, meta: Any) -> str:
    if any(array.dtype != np.int64 or array.ndim != 1 for array in (indices, sizes, late)):
        return "its arrays are not lists of int64"
    if not len(sizes) or sizes.min() < 1 or sizes.sum() != len(indices):
        return "the client sizes do not add up to the stored samples"
    if indices.min() < 0 or len(np.unique(indices)) != len(indices):
        return "a sample is listed twice or has a negative index"
    if any((np.diff(own) < 0).any() for own in np.split(indices, np.cumsum(sizes)[:-1])):
        return "the samples of a client are not sorted"
    if len(late) and (late.min() < 0 or late.max() >= len(sizes) or len(np.unique(late)) != len(late)):
        return "a late client is listed twice or does not exist"
    return "" if isinstance(meta, dict) else "its metadata are not a table"


def _digest(arrays: dict[str, Any], meta: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=16)
    for name in ARRAYS:
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
