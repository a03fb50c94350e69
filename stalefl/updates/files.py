"""Weights and updates that another system wrote: safetensors by name, or NumPy arrays in parameter order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from stalefl.contracts import InputError, InputSpec, Model
from stalefl.storage import load_weights

UpdateKind = Literal["delta", "weights"]
"""What a file of an update holds: new weights minus base weights, or the new weights."""

FORMATS = ".safetensors or .npz with the model's parameter names, or .npz/.npy arrays in parameter order"
_NUMBERED = re.compile(r"arr_(\d+)")


class Parameters(NamedTuple):
    """Flat float32 parameters [P] and those of the model's buffers that the file has, both on the model's device."""

    flat: Tensor
    buffers: dict[str, Tensor]


def load_parameters(path: Path, model: Model) -> Parameters:
    """The parameters in a file. Arrays without names are the parameters in order, or all of the model's state_dict.

    Raises InputError that names the first parameter that is missing, has another shape or is not finite.
    """
    named = _read(path, model)
    state = dict(model.module.state_dict())
    if foreign := next((name for name in named if name not in state), None):
        raise InputError(f"{path}: the model has no parameter or buffer '{foreign}'; valid: {', '.join(state)}")
    flat = model.layout.from_named(named, str(path))
    for name, part in model.layout.to_named(flat).items():
        if not part.isfinite().all():
            raise InputError(f"{path}: parameter '{name}' holds NaN or infinity; valid: finite numbers")
    buffers = {name: value for name, value in named.items() if name not in model.layout.names}
    for name, value in buffers.items():
        if value.shape != state[name].shape:
            raise InputError(
                f"{path}: buffer '{name}' has shape {tuple(value.shape)}, the model needs {tuple(state[name].shape)}"
            )
    fitting = {name: value.to(model.device, state[name].dtype) for name, value in buffers.items()}
    return Parameters(flat.to(model.device), fitting)


def load_update(path: Path, kind: UpdateKind, base_weights: Tensor, model: Model) -> Tensor:
    """The update [P] of a file, as a difference from ``base_weights`` [P]. Raises InputError as ``load_parameters``
    does, and for an update of zero."""
    delta = load_parameters(path, model).flat
    if kind == "weights":
        delta = delta - base_weights
    if not delta.any():
        equal = "its weights equal the base's" if kind == "weights" else "all its numbers are 0"
        raise InputError(f"{path}: the update is zero ({equal}), so nothing can be learned from it")
    return delta


def load_client_data(path: Path, spec: InputSpec) -> tuple[Tensor, Tensor]:
    """The samples in a file: ``inputs`` [N, *spec.shape] as the model receives them, and ``targets`` [N].

    Raises InputError if one is missing, does not fit the data set, or is on another scale.
    """
    valid = "a .safetensors or .npz file with inputs and targets"
    named = load_weights(path, valid) if path.suffix.lower() != ".npz" else _read_numpy(_existing(path, valid))
    if missing := next((name for name in ("inputs", "targets") if name not in named), None):
        raise InputError(f"{path}: has no '{missing}'; valid: {valid}")
    inputs, targets = named["inputs"].float(), named["targets"].long()
    if not len(inputs) or inputs.shape[1:] != spec.shape:
        raise InputError(
            f"{path}: inputs have shape {tuple(inputs.shape)}; valid: (N, {', '.join(map(str, spec.shape))})"
        )
    if targets.shape != inputs.shape[:1] or targets.min() < 0 or targets.max() >= spec.classes:
        raise InputError(f"{path}: targets are not {len(inputs)} classes from 0 to {spec.classes - 1}")
    low, high = min(spec.value_range[0]), max(spec.value_range[1])
    slack = 0.01 * (high - low)
    if not inputs.isfinite().all() or inputs.min() < low - slack or inputs.max() > high + slack:
        raise InputError(
            f"{path}: inputs range from {inputs.min():.3g} to {inputs.max():.3g}; valid: as the model receives them, "
            f"{low:.3g} to {high:.3g}"
        )
    return inputs, targets


def _existing(path: Path, valid: str) -> Path:
    if not path.is_file():
        raise InputError(f"{path} does not exist; valid: {valid}")
    return path


def looks_like_weights(delta: Tensor, base_weights: Tensor) -> bool:
    """Whether what is said to be a difference rather seems to be whole weights: it nearly is the base weights."""
    return bool((delta - base_weights).norm() < 0.5 * base_weights.norm())


def _read(path: Path, model: Model) -> dict[str, Tensor]:
    """The tensors of a file by name."""
    ending = path.suffix.lower()
    if ending not in (".npz", ".npy"):
        return load_weights(path, valid=FORMATS)
    arrays = _read_numpy(_existing(path, FORMATS))
    if arrays.keys() <= {*model.module.state_dict()}:
        return arrays
    return _in_order(path, list(arrays.values()), model)


def _read_numpy(path: Path) -> dict[str, Tensor]:
    """The arrays of a file by name, those that NumPy numbered in their order."""
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"arr_0": _tensor(path, "array", loaded)}
        with loaded:
            names = loaded.files
            if all(map(_NUMBERED.fullmatch, names)):
                names = sorted(names, key=lambda name: int(name.removeprefix("arr_")))
            return {name: _tensor(path, f"array '{name}'", loaded[name]) for name in names}
    except InputError:
        raise
    except (ValueError, EOFError, OSError, BadZipFile) as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"{path}: holds Python objects, which are never unpickled; valid: numbers only, as "
                "numpy.savez(path, *arrays) writes them"
            ) from error
        # NumPy takes whatever begins otherwise than its own files for a pickle.
        fault = "is not an" if "pickle" in str(error) else "is not a whole"
        raise InputError(f"{path} {fault} {path.suffix} file of NumPy; valid: {FORMATS}") from error


def _tensor(path: Path, name: str, array: np.ndarray[Any, Any]) -> Tensor:
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise InputError(f"{path}: {name} is of type {array.dtype}; valid: real numbers")
    whole = np.issubdtype(array.dtype, np.integer)
    return torch.from_numpy(array.astype(np.int64 if whole else np.float32))


def _in_order(path: Path, arrays: Sequence[Tensor], model: Model) -> dict[str, Tensor]:
    layout, state = model.layout, tuple(model.module.state_dict())
    if len(arrays) == 1 and arrays[0].shape == (layout.size,):
        return layout.to_named(arrays[0])
    names = layout.names if len(arrays) == len(layout.names) else state
    if len(arrays) != len(names):
        with_buffers = f" ({len(state)} with its buffers)" if len(state) > len(layout.names) else ""
        raise InputError(
            f"{path}: has {len(arrays)} arrays; the model has {len(layout.names)} parameters{with_buffers}: "
            f"{', '.join(layout.names)}"
        )
    return dict(zip(names, arrays, strict=True))
