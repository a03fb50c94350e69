"""Files that are whole or not there. Weights and checkpoints are safetensors: nothing pickled, damage is found."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from stalefl.contracts import InputError

METADATA_KEY = "stalefl"
TREE_FORMAT = 1
# The umask can only be read by setting it: once, at import, before there are threads.
_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path in the same folder to write to; on success it is synced to disk and takes ``path``'s place.

    One writer at a time. Raises InputError if the place cannot be written.
    """
    path = Path(path)
    temporary = temporary_path(path)
    try:
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            # safetensors makes its files readable by their owner alone.
            temporary.chmod(0o666 & ~_UMASK)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {path}: {reason}; valid: a place in an existing, writable folder") from error


def temporary_path(path: Path) -> Path:
    """Where ``replacing`` writes first; a killed process leaves at most this one file behind."""
    return path.with_name(f".{path.name}.tmp")


def write_whole(path: Path | str, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a half. Raises InputError if it cannot."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


# --- weights --------------------------------------------------------------------------------------------------------


def save_weights(path: Path | str, named: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors. Raises InputError if ``path`` cannot be written."""
    _save_tensors(path, dict(named), {})


def load_weights(path: Path | str, valid: str = "a whole .safetensors file") -> dict[str, Tensor]:
    """The named tensors of a safetensors file, on the CPU. Raises InputError, which says what would be ``valid``, if it
    is missing or not safetensors."""
    name = f"weights file {path}"
    try:
        return _load_tensors(path, name, valid)[0]
    except SafetensorError as error:
        raise InputError(f"{name} is not safetensors, or not whole ({error}); valid: {valid}") from error


# --- trees of plain data --------------------------------------------------------------------------------------------


def save_tree(path: Path | str, tree: Any) -> None:
    """Write a tree of plain data (dict, list, tuple, tensor, number, string, bool, None) as one safetensors file.

    ``load_tree`` gives it back bit for bit. A tensor that occurs several times is stored once. Raises TypeError, with
    the place in the tree, for anything else, and InputError if ``path`` cannot be written.
    """
    tensors: dict[int, tuple[str, Tensor]] = {}
    skeleton = json.dumps(_to_skeleton(tree, tensors, ""), separators=(",", ":"))
    named = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.values()}
    header = {"format": TREE_FORMAT, "digest": _digest(skeleton, named), "tree": skeleton}
    _save_tensors(path, named, {METADATA_KEY: json.dumps(header)})


def load_tree(path: Path | str) -> Any:
    """The tree that ``save_tree`` wrote, tensors on the CPU. Raises InputError if the file is missing or damaged."""
    name = f"checkpoint {path}"
    try:
        named, metadata = _load_tensors(path, name, "a safetensors file")
    except SafetensorError as error:
        raise _damaged(name, f"not safetensors: {error}") from error
    try:
        header = json.loads(metadata[METADATA_KEY])
        found, skeleton = header["format"], header["tree"]
        intact = header["digest"] == _digest(skeleton, named)
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(name, "it holds no tree") from error
    if found != TREE_FORMAT:
        raise InputError(f"{name} has format {found}; valid: {TREE_FORMAT}, as this version of stalefl writes it")
    if not intact:
        raise _damaged(name, "its content does not match its digest")
    return _from_skeleton(json.loads(skeleton), named)


def _to_skeleton(node: Any, tensors: dict[int, tuple[str, Tensor]], place: str) -> Any:
    """Plain JSON for scalars; ``[kind, content]`` for all that JSON has no exact form for."""
    if node is None or isinstance(node, (bool, str)):
        return node
    if isinstance(node, Tensor):
        return ["tensor", tensors.setdefault(id(node), (f"{len(tensors)}", node))[0]]
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return ["float", float(node).hex()]
    if isinstance(node, Mapping):
        for key in node:
            if isinstance(key, bool) or not isinstance(key, (str, int)):
                raise TypeError(f"cannot store the key {key!r} at {place or '/'}; valid keys: strings and integers")
        return ["dict", [[key, _to_skeleton(value, tensors, f"{place}/{key}")] for key, value in node.items()]]
    if type(node) in (list, tuple):
        return [type(node).__name__, [_to_skeleton(v, tensors, f"{place}/{i}") for i, v in enumerate(node)]]
    valid = "dict, list, tuple, tensor, number, string, bool, None"
    raise TypeError(f"cannot store {type(node).__name__} at {place or '/'}; valid: {valid}")


def _from_skeleton(node: Any, named: Mapping[str, Tensor]) -> Any:
    if not isinstance(node, list):
        return node
    kind, content = node
    if kind == "tensor":
        return named[content]
    if kind == "float":
        return float.fromhex(content)
    if kind == "dict":
        return {key: _from_skeleton(value, named) for key, value in content}
    items = [_from_skeleton(item, named) for item in content]
    return tuple(items) if kind == "tuple" else items


# --- safetensors ----------------------------------------------------------------------------------------------------


def _save_tensors(path: Path | str, named: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    with replacing(path) as temporary:
        try:
            save_file(_without_shared_memory(named), temporary, metadata=metadata or None)
        except SafetensorError as error:  # the way safetensors reports what the file system refused
            raise OSError(str(error)) from error


def _without_shared_memory(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Views of one storage are copied: safetensors stores whole, separate tensors only."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in named.items():
        tensor = tensor.detach().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone()
        seen.add(tensor.untyped_storage().data_ptr())
        separate[name] = tensor
    return separate


def _load_tensors(path: Path | str, name: str, valid: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata. Raises InputError for a file that cannot be read, SafetensorError for another kind
    of file."""
    if not Path(path).is_file():
        raise InputError(f"{name} does not exist; valid: {valid}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        # The last bits of a result can depend on memory alignment: a copy has torch's usual one, a mapped file has not.
        return {key: tensor.clone() for key, tensor in load_file(path).items()}, metadata
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}; valid: a readable file") from error


def _damaged(name: str, why: str) -> InputError:
    return InputError(f"{name} is damaged ({why}); valid: a whole safetensors file as stalefl writes it")


def _digest(skeleton: str, named: Mapping[str, Tensor]) -> str:
    """blake2b of the skeleton and of every tensor's name, dtype, shape and bytes."""
    digest = hashlib.blake2b(skeleton.encode(), digest_size=16)
    for name in sorted(named):
        tensor = named[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
