from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stalefl.contracts import InputError
from stalefl.training.layout import ParameterLayout

LAYOUT = ParameterLayout(("weight", "bias"), (torch.Size([2, 3]), torch.Size([2])))
shapes = st.lists(st.lists(st.integers(1, 4), max_size=4).map(torch.Size), min_size=1, max_size=6)


def test_a_linear_layer_lies_in_the_order_of_the_module() -> None:
    assert ParameterLayout.of(nn.Linear(3, 2)) == LAYOUT
    assert (LAYOUT.sizes, LAYOUT.offsets, LAYOUT.size) == ((6, 2), (0, 6), 8)


def test_split_gives_views_in_the_parameters_shapes() -> None:
    flat = torch.arange(8.0)
    weight, bias = LAYOUT.split(flat)
    assert weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bias.tolist() == [6, 7]
    assert weight.data_ptr() == flat.data_ptr()


@given(shapes)
def test_what_is_split_is_joined_to_the_same(shapes: list[torch.Size]) -> None:
    layout = ParameterLayout(tuple(f"p{i}" for i in range(len(shapes))), tuple(shapes))
    flat = torch.arange(float(layout.size))
    assert layout.size == sum(math.prod(shape) for shape in shapes)
    assert [part.shape for part in layout.split(flat)] == shapes
    assert torch.equal(layout.join(layout.split(flat)), flat)
    assert torch.equal(layout.from_named(layout.to_named(flat)), flat)
    for part, offset in zip(layout.split(flat), layout.offsets, strict=True):
        assert part.reshape(-1)[0] == offset


def test_join_is_differentiable() -> None:
    bias = torch.zeros(2, requires_grad=True)
    (LAYOUT.join([torch.zeros(2, 3), bias]) * torch.arange(8.0)).sum().backward()
    assert bias.grad is not None
    assert bias.grad.tolist() == [6, 7]


def test_from_named_ignores_further_names_and_order_and_makes_float32() -> None:
    named = {"running_mean": torch.ones(9), "bias": torch.ones(2).double(), "weight": torch.zeros(2, 3)}
    flat = LAYOUT.from_named(named)
    assert flat.dtype == torch.float32
    assert flat.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]


def test_from_named_names_the_missing_parameter() -> None:
    with pytest.raises(InputError, match=r"w.safetensors: parameter 'bias' is missing; the model has weight, bias"):
        LAYOUT.from_named({"weight": torch.zeros(2, 3)}, "w.safetensors")


def test_from_named_names_the_parameter_of_another_shape() -> None:
    with pytest.raises(InputError, match=r"'weight' has shape \(3, 2\), the model needs \(2, 3\)"):
        LAYOUT.from_named({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)})
