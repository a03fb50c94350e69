"""Small problems to try a plugin on: a tiny model, inputs with classes to learn, views, updates that clients trained.

All are quick, drawn from named generators, and the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stalefl.contracts import ClientUpdate, Exposure, InputSpec, LocalTraining, ModelPlugin, Options, ServerView
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from stalefl.training.model import FlatModel, build_flat_model

EXAMPLE_SPEC = InputSpec(shape=(4,), classes=3, value_range=((-1.0,) * 4, (1.0,) * 4), space="signal")
"""Four numbers from -1 to 1, three classes."""

EXAMPLE_IMAGES = (
    InputSpec((1, 8, 8), 3, ((-1.0,), (1.0,))),
    InputSpec((3, 32, 32), 3, ((-1.0,) * 3, (1.0,) * 3)),
)
"""Grey images of 8x8 pixels and coloured ones of 32x32."""

EXAMPLE_TRAINING = LocalTraining(local_epochs=3, lr=0.1, momentum=0.5)
"""What the clients of the examples run."""

Parts = tuple[FlatModel, Tensor, dict[str, Tensor]]
"""A model, its initial weights [P] and its initial buffers."""


class TinyMlp(ModelPlugin):
    """One hidden layer, for inputs of any shape."""

    def __init__(self, hidden: int) -> None:
        super().__init__(Options())
        self.hidden = hidden

    def build(self, spec: InputSpec) -> nn.Module:
        inputs = math.prod(spec.shape)
        layers = nn.Linear(inputs, self.hidden), nn.ReLU(), nn.Linear(self.hidden, spec.classes)
        return nn.Sequential(nn.Flatten(), *layers)


def example_model(hidden: int = 5, seed: int = 0) -> Parts:
    """A model of ``EXAMPLE_SPEC`` with one hidden layer, its initial weights [P] and its buffers (none)."""
    return build_flat_model(TinyMlp(hidden), EXAMPLE_SPEC, named_generator(seed, "initial-weights"))


def example_inputs(spec: InputSpec = EXAMPLE_SPEC, count: int = 6, seed: int = 0) -> Tensor:
    """[count, *spec.shape], spread evenly over the value range; whole numbers where they stand for tokens."""
    channels = (-1, *[1] * (len(spec.shape) - 1))
    low, high = (torch.tensor(bound).view(channels) for bound in spec.value_range)
    inputs = low + (high - low) * torch.rand(count, *spec.shape, generator=named_generator(seed, "test-inputs"))
    return inputs.round() if spec.space == "tokens" else inputs


def example_samples(count: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs [count, 4] of ``EXAMPLE_SPEC`` and their classes [count]: which of the first three numbers is greatest."""
    inputs = 2 * torch.rand(count, 4, generator=named_generator(seed, "test-inputs")) - 1
    return inputs, inputs[:, :3].argmax(dim=1)


def example_view(
    weights: Tensor | Sequence[float] | None = None, *, round: int = 5, staleness_rounds: int = 0, seed: int = 0
) -> ServerView:
    """What a method sees in a round; without ``weights`` [P] those of the example model, before any training.

    Literal weights of another length suit a test of a method that does not use the model.
    """
    model, initial, _ = example_model()
    return ServerView(
        round=round,
        weights=initial if weights is None else torch.as_tensor(weights),
        buffers={},
        model=model,
        training=EXAMPLE_TRAINING,
        input_spec=EXAMPLE_SPEC,
        generator=named_generator(seed, "test-view"),
        staleness_rounds=staleness_rounds,
        clients=3,
    )


def example_update(
    delta: Tensor | Sequence[float] | None = None, *, client: int = 0, staleness_rounds: int = 0, samples: int = 6
) -> ClientUpdate:
    """One that arrives in round 5; without ``delta`` [P] what the client's training of the example model gives."""
    model, weights, buffers = example_model()
    inputs, targets = example_samples(samples, seed=client)
    if delta is None:
        delta = local_update(model, weights, buffers, inputs, targets, EXAMPLE_TRAINING).delta
    else:
        delta = torch.as_tensor(delta)
        weights = torch.zeros_like(delta)
    return ClientUpdate(client, delta, samples, 5 - staleness_rounds, 5, weights)


def example_updates() -> list[ClientUpdate]:
    """Those of three clients, the last of them two rounds late."""
    return [example_update(client=client, staleness_rounds=2 if client == 2 else 0) for client in range(3)]


def example_exposure(samples: int = 1, training: LocalTraining | None = None, seed: int = 0) -> Exposure:
    """A client's update of the example model, as an attacker sees it; unless said otherwise after one SGD step."""
    model, weights, buffers = example_model()
    training = training or LocalTraining(local_epochs=1, lr=0.1)
    delta = local_update(model, weights, buffers, *example_samples(samples), training).delta
    generator = named_generator(seed, "test-exposure")
    return Exposure(delta, None, weights, buffers, model, training, samples, EXAMPLE_SPEC, generator)
