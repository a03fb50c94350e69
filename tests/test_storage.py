from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from stalefl.contracts import InputError
from stalefl.storage import load_tree, load_weights, save_tree, save_weights, write_whole

DTYPES = (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool, torch.bfloat16)


def identical(a: Any, b: Any) -> bool:
    """Same types, same structure, same bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        same_kind = a.dtype == b.dtype and a.shape == b.shape
        return same_kind and torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))
    if isinstance(a, dict):
        return list(a) == list(b) and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or struct.pack("d", a) == struct.pack("d", b)
    return bool(a == b)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.sampled_from([(), (0,), (3,), (2, 3), (1, 2, 2)]))
    values = draw(st.lists(st.integers(0, 200), min_size=math.prod(shape), max_size=math.prod(shape)))
    return torch.tensor(values).reshape(shape).to(dtype)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8"))
trees = st.recursive(
    scalars | tensors(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(tree=trees)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_comes_back_bit_for_bit(tree: Any, tmp_path: Path) -> None:
    save_tree(tmp_path / "tree.safetensors", tree)
    assert identical(load_tree(tmp_path / "tree.safetensors"), tree)


@pytest.mark.parametrize("dtype", DTYPES)
def test_views_and_transposed_tensors_come_back(tmp_path: Path, dtype: torch.dtype) -> None:
    flat = torch.arange(12).to(dtype)
    tree = {"view": flat[3:7], "whole": flat, "transposed": flat.reshape(3, 4).t()}
    save_tree(tmp_path / "tree.safetensors", tree)
    assert identical(load_tree(tmp_path / "tree.safetensors"), tree)


def test_nan_payload_of_a_tensor_survives(tmp_path: Path) -> None:
    odd_nan = torch.tensor([0x7FC12345], dtype=torch.int32).view(torch.float32)
    save_tree(tmp_path / "tree.safetensors", [odd_nan])
    assert load_tree(tmp_path / "tree.safetensors")[0].view(torch.int32).item() == 0x7FC12345


def test_a_shared_tensor_is_stored_once(tmp_path: Path) -> None:
    big = torch.arange(10_000.0)
    save_tree(tmp_path / "tree.safetensors", {"history": {3: big, 4: big}, "weights": big})
    assert (tmp_path / "tree.safetensors").stat().st_size < 1.1 * big.nbytes
    assert torch.equal(load_tree(tmp_path / "tree.safetensors")["history"][4], big)


@pytest.mark.parametrize(
    ("tree", "place"), [({"a": [1, {2, 3}]}, "/a/1"), ({"a": {(1, 2): 0}}, "/a"), ({True: 1}, "/"), ([b"x"], "/0")]
)
def test_what_is_not_plain_data_is_refused_with_its_place(tmp_path: Path, tree: Any, place: str) -> None:
    with pytest.raises(TypeError, match=f"at {place};"):
        save_tree(tmp_path / "tree.safetensors", tree)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_anywhere_is_found_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    tree = {"round": 7, "weights": torch.arange(6.0), "state": {"beta": 0.5}}
    save_tree(path, tree)
    whole = path.read_bytes()
    complaints = []
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        try:
            assert identical(load_tree(path), tree)
        except InputError as error:
            complaints.append(str(error))
    assert len(complaints) > 0.8 * len(whole)
    assert all("checkpoint" in complaint and "valid: " in complaint for complaint in complaints)


@pytest.mark.parametrize("kept", [0, 4, 8, 60, -1])
def test_a_truncated_checkpoint_is_found(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_tree(path, {"weights": torch.ones(50)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"checkpoint .* is damaged .*; valid: "):
        load_tree(path)


def test_weights_are_no_checkpoint(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", {"a": torch.ones(2)})
    with pytest.raises(InputError, match="is damaged"):
        load_tree(tmp_path / "w.safetensors")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_tree(tmp_path / "no")
    with pytest.raises(InputError, match="weights file .*no does not exist"):
        load_weights(tmp_path / "no")


def test_weights_come_back_by_name(tmp_path: Path) -> None:
    flat = torch.arange(6.0)
    named = {"conv.weight": flat[:4].view(2, 2), "conv.bias": flat[4:], "seen": torch.tensor(3)}
    save_weights(tmp_path / "w.safetensors", named)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert set(loaded) == set(named)
    assert all(identical(loaded[name], named[name]) for name in named)


def test_weights_of_another_tool_are_read_and_a_pickle_is_not(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors", metadata={"format": "pt"})
    assert load_weights(tmp_path / "w.safetensors")["a"].tolist() == [1, 1]
    torch.save({"a": torch.ones(2)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="not safetensors"):
        load_weights(tmp_path / "w.pt")


def test_write_whole_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", b"old")
    write_whole(tmp_path / "f", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f", b"new")]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    save_tree(tmp_path / "tree.safetensors", 1)
    with pytest.raises(TypeError):
        save_tree(tmp_path / "tree.safetensors", {"bad": object()})
    assert load_tree(tmp_path / "tree.safetensors") == 1


@pytest.mark.parametrize("write", [lambda p: write_whole(p, b""), lambda p: save_tree(p, {"a": torch.ones(1)})])
def test_an_unwritable_place_is_one_line(tmp_path: Path, write: Any) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "missing" / "f", tmp_path / "file" / "f", tmp_path):
        with pytest.raises(InputError, match=r"^cannot write .*; valid: .*$"):
            write(place)


def test_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    save_tree(tmp_path / "tree.safetensors", {"a": torch.zeros(2)})
    assert (tmp_path / "tree.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
