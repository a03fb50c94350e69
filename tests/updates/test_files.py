from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stalefl.contracts import InputError
from stalefl.storage import save_weights
from stalefl.updates.files import load_client_data, load_parameters, load_update, looks_like_weights
from tests.fixtures import SPEC, batch_norm_model, samples, tiny_mlp

MODEL, WEIGHTS, _ = tiny_mlp()
NAMED = MODEL.layout.to_named(WEIGHTS)
ARRAYS = [value.numpy() for value in NAMED.values()]
FIRST = MODEL.layout.names[0]


def stored(path: Path, content: Any) -> Path:
    if path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content) if isinstance(content, dict) else np.savez(path, *content)
    else:
        save_weights(path, content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.safetensors", NAMED),
        ("w.npz", ARRAYS),
        ("w.npz", {name: value.numpy() for name, value in reversed(NAMED.items())}),
        ("w.npz", {f"layer{i}": array for i, array in enumerate(ARRAYS)}),
        ("w.npy", WEIGHTS.numpy()),
    ],
    ids=["safetensors", "list", "named", "other names in order", "flat"],
)
def test_every_format_gives_the_same_parameters(tmp_path: Path, name: str, content: Any) -> None:
    assert torch.equal(load_parameters(stored(tmp_path / name, content), MODEL).flat, WEIGHTS)


def test_numbered_arrays_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    numbered = {f"arr_{i}": array for i, array in reversed(list(enumerate(ARRAYS)))}
    assert torch.equal(load_parameters(stored(tmp_path / "w.npz", numbered), MODEL).flat, WEIGHTS)


def test_a_list_may_hold_the_buffers_too(tmp_path: Path) -> None:
    model, weights, buffers = batch_norm_model()
    state: dict[str, Tensor] = {name: value + 1 for name, value in model.module.state_dict().items()}
    found = load_parameters(stored(tmp_path / "w.npz", [value.numpy() for value in state.values()]), model)
    assert torch.equal(found.flat, weights + 1)
    assert found.buffers.keys() == buffers.keys()
    for name, buffer in found.buffers.items():
        assert torch.equal(buffer, buffers[name] + 1)
        assert buffer.dtype == buffers[name].dtype


def test_an_update_is_a_difference_or_new_weights(tmp_path: Path) -> None:
    path = stored(tmp_path / "u.npy", (WEIGHTS + 0.5).numpy())
    assert torch.equal(load_update(path, "delta", WEIGHTS, MODEL), WEIGHTS + 0.5)
    torch.testing.assert_close(load_update(path, "weights", WEIGHTS, MODEL), torch.full_like(WEIGHTS, 0.5))


def test_whole_weights_taken_for_a_difference_are_noticed() -> None:
    assert looks_like_weights(WEIGHTS + 0.01, WEIGHTS)
    assert not looks_like_weights(torch.full_like(WEIGHTS, 0.01), WEIGHTS)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("u.npy", np.array([np.ones(2), None], dtype=object), "never unpickled"),
        ("u.npz", {"arr_0": np.array([None])}, "never unpickled"),
        ("u.npz", {"arr_0": np.array(["a"])}, "array 'arr_0' is of type <U1; valid: real numbers"),
        ("u.npz", ARRAYS[:2], "has 2 arrays; the model has 4 parameters: "),
        ("u.npz", [ARRAYS[0].T, *ARRAYS[1:]], f"parameter '{FIRST}' has shape (4, 5), the model needs (5, 4)"),
        ("u.npy", np.ones(7, dtype=np.float32), "has 1 arrays; the model has 4 parameters"),
        ("u.npy", np.full(WEIGHTS.numel(), np.nan, dtype=np.float32), f"parameter '{FIRST}' holds NaN"),
        ("u.npy", np.zeros(WEIGHTS.numel()), "the update is zero (all its numbers are 0)"),
        ("u.safetensors", {**NAMED, "extra": torch.ones(1)}, "no parameter or buffer 'extra'"),
        ("u.safetensors", {FIRST: NAMED[FIRST]}, "is missing"),
        ("u.safetensors", {**NAMED, FIRST: torch.ones(1)}, f"parameter '{FIRST}' has shape (1,)"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(tmp_path: Path, name: str, content: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_update(stored(tmp_path / name, content), "delta", WEIGHTS, MODEL)
    assert said in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_equal_the_base_are_no_update(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its weights equal the base's"):
        load_update(stored(tmp_path / "u.npz", ARRAYS), "weights", WEIGHTS, MODEL)


@pytest.mark.parametrize("name", ["u.npy", "u.npz", "u.safetensors"])
def test_missing_and_broken_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(InputError, match="does not exist"):
        load_parameters(path, MODEL)
    path.write_bytes(b"\x93NUMPY nonsense")
    with pytest.raises(InputError, match=r"not a whole|not safetensors.*; valid: .*\.npz/\.npy arrays"):
        load_parameters(path, MODEL)


@pytest.mark.parametrize("name", ["u.npy", "u.npz"])
def test_a_text_is_no_file_of_numpy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("0.5 0.25")
    with pytest.raises(InputError, match=rf"{name} is not an {name[1:]} file of NumPy; valid: \.safetensors"):
        load_parameters(tmp_path / name, MODEL)


def test_a_buffer_of_another_shape_is_named(tmp_path: Path) -> None:
    model, _, buffers = batch_norm_model()
    name = next(name for name, buffer in buffers.items() if buffer.dim())
    path = stored(tmp_path / "w.safetensors", {**model.module.state_dict(), name: torch.ones(2)})
    with pytest.raises(InputError, match=rf"buffer '{name}' has shape \(2,\), the model needs \(6,\)"):
        load_parameters(path, model)


INPUTS, TARGETS = samples(6)
DATA = {"inputs": INPUTS.numpy(), "targets": TARGETS.numpy()}


@pytest.mark.parametrize("name", ["data.npz", "data.safetensors"])
def test_the_samples_of_a_client(tmp_path: Path, name: str) -> None:
    content = DATA if name.endswith("npz") else {"inputs": INPUTS, "targets": TARGETS}
    inputs, targets = load_client_data(stored(tmp_path / name, content), SPEC)
    assert torch.equal(inputs, INPUTS)
    assert torch.equal(targets, TARGETS)
    assert targets.dtype == torch.int64


def test_samples_in_float64_and_a_little_beyond_the_range_are_fine(tmp_path: Path) -> None:
    given = {"inputs": DATA["inputs"].astype(np.float64) * 1.005, "targets": DATA["targets"].astype(np.int32)}
    inputs, targets = load_client_data(stored(tmp_path / "data.npz", given), SPEC)
    assert (inputs.dtype, targets.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"targets": None}, "has no 'targets'; valid: a .safetensors or .npz file with inputs and targets"),
        ({"inputs": DATA["inputs"][:, :3]}, r"inputs have shape (6, 3); valid: (N, 4)"),
        ({"inputs": DATA["inputs"][:0], "targets": DATA["targets"][:0]}, r"inputs have shape (0, 4)"),
        ({"targets": DATA["targets"][:5]}, "targets are not 6 classes from 0 to 2"),
        ({"targets": DATA["targets"] + 1}, "targets are not 6 classes from 0 to 2"),
        ({"targets": DATA["targets"] - 1}, "targets are not 6 classes from 0 to 2"),
        ({"inputs": np.full((6, 4), 3.0)}, "inputs range from 3 to 3; valid: as the model receives them, -1 to 1"),
        ({"inputs": np.full((6, 4), np.nan)}, "inputs range from nan to nan; valid: "),
    ],
)
def test_samples_that_do_not_fit_the_data_set(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    content = {name: value for name, value in {**DATA, **changed}.items() if value is not None}
    with pytest.raises(InputError) as caught:
        load_client_data(stored(tmp_path / "data.npz", content), SPEC)
    assert said in str(caught.value)


def test_samples_that_are_not_there(tmp_path: Path) -> None:
    for name in ("no.npz", "no.safetensors"):
        with pytest.raises(InputError, match=f"{name} does not exist; valid: a .safetensors or .npz file with inputs"):
            load_client_data(tmp_path / name, SPEC)
