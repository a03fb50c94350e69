from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from stalefl.contracts import InputError, InputSpec, LocalTraining
from stalefl.registry import load_registry
from stalefl.seeds import named_generator
from stalefl.training.local_update import functional_update, local_update
from stalefl.training.model import build_flat_model

SERIES = InputSpec((2, 8), 3, ((-1.0, -1.0), (1.0, 1.0)), "signal")
IMAGES = InputSpec((1, 28, 28), 10, ((0.0,), (1.0,)))
TOKENS = InputSpec((12,), 2, ((0.0,) * 12, (9.0,) * 12), "embedding")


def build(name: str, spec: InputSpec = SERIES, **options: Any) -> nn.Module:
    module: nn.Module = load_registry().create("model", name, options).build(spec)
    return module


def test_the_gru_computes_what_pytorchs_does() -> None:
    """The same weights, of another layout of none: reset, update, candidate."""
    own, theirs = build("gru", hidden=5), nn.GRU(2, 5, batch_first=True)
    names = {"weight_ih_l0": own.input.weight, "bias_ih_l0": own.input.bias}
    names |= {"weight_hh_l0": own.recurrent.weight, "bias_hh_l0": own.recurrent.bias}
    theirs.load_state_dict({name: value.detach() for name, value in names.items()})
    series = torch.randn(4, 2, 8, generator=named_generator(0, "test-series"))
    _, last = theirs(series.transpose(1, 2))
    torch.testing.assert_close(own(series), own.output(last[0]))


def test_the_gru_starts_as_pytorchs_does() -> None:
    values = torch.cat([p.flatten() for p in build("gru", hidden=16).recurrent.parameters()])
    assert 0.2 < values.abs().max() <= 0.25


def test_each_convolution_halves_the_series() -> None:
    shapes = [tuple(p.shape) for p in build("cnn1d", channels=[4, 6], kernel=3).parameters()]
    assert shapes == [(4, 2, 3), (4,), (6, 4, 3), (6,), (3, 12), (3,)]


@pytest.mark.parametrize("name", ["cnn1d", "gru"])
def test_clients_updates_are_the_same_one_by_one_and_in_a_batch(name: str) -> None:
    """As the inversion computes them on a GPU: vmap over clients."""
    plugin = load_registry().create("model", name)
    model, weights, buffers = build_flat_model(plugin, SERIES, named_generator(0, "initial-weights"))
    inputs = torch.randn(2, 5, 2, 8, generator=named_generator(0, "test-series"))
    labels = torch.eye(3)[torch.tensor([[0, 1, 2, 0, 1], [2, 2, 1, 0, 0]])]
    training = LocalTraining(local_epochs=2, lr=0.1)

    def update(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional_update(model, weights, buffers, x, y, training, 2)

    together = torch.func.vmap(update)(inputs, labels)
    alone = [local_update(model, weights, buffers, x, y, training).delta for x, y in zip(inputs, labels, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("cnn1d", IMAGES, "model cnn1d needs series .* are images of shape \\(1, 28, 28\\); the model mlp takes any"),
        ("gru", IMAGES, "model gru needs series"),
        ("gru", TOKENS, "are tokens of shape \\(12,\\)"),
        ("lenet", SERIES, "model lenet needs images .* inputs have shape \\(2, 8\\)"),
        ("cnn1d", InputSpec((2, 3), 3, SERIES.value_range, "signal"), "at least 4 steps, but the data set's have 3"),
    ],
)
def test_a_model_for_other_data_is_refused(name: str, spec: InputSpec, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, spec)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="kernel = 4; valid: an odd number"):
        build("cnn1d", kernel=4)
