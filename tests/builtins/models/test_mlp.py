from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from stalefl.builtins.models.mlp import Mlp, MlpOptions
from stalefl.contracts import InputSpec


def spec(*shape: int, classes: int = 10) -> InputSpec:
    return InputSpec(shape, classes, ((0.0,), (1.0,)))


def widths(hidden: Any, *shape: int) -> list[tuple[int, ...]]:
    module = Mlp(MlpOptions(hidden=hidden)).build(spec(*shape, classes=3))
    return [tuple(p.shape) for p in module.parameters() if p.dim() == 2]


def test_default_is_the_2nn_of_mcmahan_et_al() -> None:
    module = Mlp(MlpOptions()).build(spec(1, 28, 28))
    assert sum(p.numel() for p in module.parameters()) == 199_210


def test_hidden_layers_follow_the_option_as_toml_gives_it() -> None:
    assert widths([5, 4], 2, 3) == [(5, 6), (4, 5), (3, 4)]
    assert widths([], 2, 3) == [(3, 6)]


def test_inputs_of_any_shape() -> None:
    module = Mlp(MlpOptions()).build(spec(7, classes=2))
    assert module(torch.zeros(5, 7)).shape == (5, 2)


@pytest.mark.parametrize("hidden", [[0], [-3], ["5"], 5])
def test_sizes_that_make_no_layer_are_errors(hidden: Any) -> None:
    with pytest.raises(ValidationError, match="hidden"):
        MlpOptions(hidden=hidden)
