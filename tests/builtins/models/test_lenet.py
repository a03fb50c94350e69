from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from stalefl.builtins.models.lenet import LeNet, LeNetOptions
from stalefl.contracts import InputError, InputSpec, LocalTraining
from stalefl.training.dropout import dropout_draws_from
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model


def spec(*shape: int, classes: int = 10) -> InputSpec:
    return InputSpec(shape, classes, ((0.0,), (1.0,)))


def build(*shape: int, classes: int = 10, dropout: float = 0.0) -> nn.Module:
    return LeNet(LeNetOptions(dropout=dropout)).build(spec(*shape, classes=classes))


def test_on_mnist_it_is_the_published_network() -> None:
    shapes = {name: tuple(p.shape) for name, p in build(1, 28, 28).named_parameters()}
    assert shapes == {
        "conv1.weight": (10, 1, 5, 5),
        "conv1.bias": (10,),
        "conv2.weight": (20, 10, 5, 5),
        "conv2.bias": (20,),
        "fc1.weight": (50, 320),
        "fc1.bias": (50,),
        "fc2.weight": (10, 50),
        "fc2.bias": (10,),
    }


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (2, 17, 40)])
def test_it_fits_other_image_shapes(shape: tuple[int, ...]) -> None:
    assert build(*shape, classes=7)(torch.zeros(3, *shape)).shape == (3, 7)


@pytest.mark.parametrize(
    ("shape", "reason"), [((1, 15, 28), "at least 16x16 pixels.*15x28"), ((28, 28), "needs images"), ((64,), "mlp")]
)
def test_it_refuses_what_does_not_fit(shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        build(*shape)


def test_dropout_draws_from_the_given_generator_only() -> None:
    module, images = build(1, 28, 28, dropout=0.5), torch.randn(4, 1, 28, 28)
    torch.manual_seed(0)
    global_state = torch.random.get_rng_state()

    def logits(seed: int) -> torch.Tensor:
        with dropout_draws_from(torch.Generator().manual_seed(seed)):
            return module(images)

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))
    assert torch.equal(torch.random.get_rng_state(), global_state)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_is_a_probability_below_one(dropout: float) -> None:
    with pytest.raises(ValidationError, match="dropout"):
        LeNetOptions(dropout=dropout)


def test_one_channel_images_are_trained_in_the_fast_memory_layout() -> None:
    plugin, outputs = LeNet(LeNetOptions()), []
    model, weights, buffers = build_flat_model(plugin, spec(1, 28, 28), torch.Generator().manual_seed(0))
    model.module.conv1.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    training = LocalTraining(local_epochs=1, batch_size=2, lr=0.01)
    local_update(model, weights, buffers, torch.rand(4, 1, 28, 28), torch.arange(4), training, torch.Generator())
    assert [output.is_contiguous(memory_format=torch.channels_last) for output in outputs] == [True, True]
