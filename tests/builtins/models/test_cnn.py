from __future__ import annotations

import pytest
import torch

from stalefl.builtins.models.cnn import CnnCifar, CnnDigits
from stalefl.contracts import InputError, InputSpec, Options


def spec(*shape: int, classes: int = 10) -> InputSpec:
    return InputSpec(shape, classes, ((0.0,), (1.0,)))


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_cnn_cifar_has_the_published_number_of_parameters_on_mnist() -> None:
    assert parameters(CnnCifar(Options()).build(spec(1, 28, 28))) == 1_663_370


def test_cnn_cifar_takes_cifar() -> None:
    module = CnnCifar(Options()).build(spec(3, 32, 32))
    assert parameters(module) == 2_156_490
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_cnn_digits_takes_8x8_digits() -> None:
    module = CnnDigits(Options()).build(spec(1, 8, 8))
    # conv 1: 16 * (9 + 1), conv 2: 32 * (16 * 9 + 1), fc 1: 64 * (32 * 2 * 2 + 1), fc 2: 10 * (64 + 1)
    assert parameters(module) == 160 + 4_640 + 8_256 + 650
    assert module(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("plugin", [CnnCifar, CnnDigits])
def test_they_adapt_to_odd_sizes_and_refuse_what_pooling_would_erase(plugin: type[CnnCifar]) -> None:
    assert plugin(Options()).build(spec(2, 5, 11, classes=3))(torch.zeros(1, 2, 5, 11)).shape == (1, 3)
    with pytest.raises(InputError, match="at least 4x4 pixels.*3x8"):
        plugin(Options()).build(spec(1, 3, 8))
