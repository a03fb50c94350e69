"""Small problems that several tests share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stalefl.config.loading import load_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import (
    ClientUpdate,
    Compensator,
    InputSpec,
    LocalTraining,
    ModelPlugin,
    Options,
    ServerView,
    State,
)
from stalefl.seeds import named_generator
from stalefl.server.round import server_round
from stalefl.testing.examples import EXAMPLE_SPEC as SPEC
from stalefl.testing.examples import EXAMPLE_TRAINING as TRAINING
from stalefl.testing.examples import Parts
from stalefl.testing.examples import example_model as tiny_mlp
from stalefl.testing.examples import example_samples as samples
from stalefl.training.dropout import SeededDropout
from stalefl.training.model import FlatModel, build_flat_model

__all__ = ["SPEC", "TRAINING", "samples", "tiny_mlp"]


class Sequential(ModelPlugin):
    """A model of given layers, whose initial values are drawn anew: those they come with are the global state's."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(Options())
        self.layers = layers

    def build(self, spec: InputSpec) -> nn.Module:
        for layer in self.layers:
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
        return nn.Sequential(*self.layers)


def model_of(*layers: nn.Module) -> Parts:
    return build_flat_model(Sequential(*layers), SPEC, named_generator(0, "initial-weights"))


def batch_norm_model() -> Parts:
    return model_of(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


def dropout_model() -> Parts:
    return model_of(nn.Linear(4, 20), nn.ReLU(), SeededDropout(0.5), nn.Linear(20, 3))


@dataclass(frozen=True)
class MemoryData:
    """Clients' data as the engine asks for them."""

    clients: Sequence[tuple[Tensor, Tensor]]

    def client_data(self, client: int, round: int) -> tuple[Tensor, Tensor]:
        return self.clients[client]


def view(
    weights: Tensor | Sequence[float] = (0.0, 0.0),
    *,
    round: int = 1,
    buffers: Mapping[str, Tensor] | None = None,
    model: FlatModel | None = None,
    training: LocalTraining = TRAINING,
    seed: int = 0,
    staleness_rounds: int = 0,
    awaited: Iterable[tuple[int, int]] = (),
    clients: int = 0,
) -> ServerView:
    """What a method sees. A view of literal weights holds a model that does not fit them, for methods that use none."""
    return ServerView(
        round=round,
        weights=torch.as_tensor(weights),
        buffers=buffers or {},
        model=model or tiny_mlp()[0],
        training=training,
        input_spec=SPEC,
        generator=named_generator(seed, "test-view"),
        staleness_rounds=staleness_rounds,
        awaited=frozenset(awaited),
        clients=clients,
    )


def update(
    delta: Tensor | Sequence[float],
    *,
    client: int = 0,
    samples: int = 1,
    staleness_rounds: int = 0,
    arrived_round: int = 100,
    base_weights: Tensor | Sequence[float] | None = None,
    buffers: Mapping[str, Tensor] | None = None,
) -> ClientUpdate:
    delta = torch.as_tensor(delta)
    return ClientUpdate(
        client=client,
        delta=delta,
        samples=samples,
        dispatched_round=arrived_round - staleness_rounds,
        arrived_round=arrived_round,
        base_weights=torch.zeros_like(delta) if base_weights is None else torch.as_tensor(base_weights),
        buffers=buffers or {},
    )


def served(
    method: Compensator, updates: Sequence[ClientUpdate], seen: ServerView, state: State | None = None
) -> tuple[Tensor, State]:
    """The weights [P] and the method's state after one round at the server; without a state, the first round."""
    state = method.init(seen) if state is None else state
    outcome = server_round(method, seen, updates, state, lambda client: named_generator(0, "test-view", client))
    assert not outcome.rejected
    return outcome.weights, outcome.state


METHODS = (
    "unstale",
    "unweighted",
    "weighted",
    "first-order",
    "w-pred",
    "asyn-tiers",
    "fedasync",
    "fedbuff",
    "ca2fl",
    "fadas",
    "asyncfeded",
    "mifa",
    "fedvarp",
    "fedstale",
    "ace",
    "dynafed",
    "inversion",
    "anchored-inversion",
)


QUICK: dict[str, dict[str, Any]] = {
    "inversion": {"size": 4, "iterations": 4, "warm_iterations": 2},
    "anchored-inversion": {"size": 4, "iterations": 4, "warm_iterations": 2},
    "fedasync": {"alpha": 0.1},
    "dynafed": {"start_rounds": 3, "images_per_class": 1, "iterations": 3, "inner_steps": 2},
}
"""Options that make methods quick enough for tests, and let ten arrivals of one class each not overwrite each other."""


def quick_options(method: str) -> Mapping[str, Any]:
    return QUICK.get(method, {})


def digits_experiment(
    method: str | Sequence[str] = "unweighted", options: Mapping[str, Any] | None = None, **tables: Mapping[str, Any]
) -> Experiment:
    """Six rounds of ten clients with ten digits of one class each; the client of class 5 is late by two rounds."""
    if options is None:
        several = {name: QUICK[name] for name in method if name in QUICK}
        options = QUICK.get(method, {}) if isinstance(method, str) else several
    base: dict[str, Mapping[str, Any]] = {
        "partition": {"clients": 10, "samples_per_client": 10},
        "staleness": {"rounds": 2, "late_clients": 1},
        "model": {"name": "mlp", "options": {"hidden": [12]}},
        "training": {"local_epochs": 2, "lr": 0.1, "momentum": 0.5},
        "method": {"name": method, "options": options},
        "evaluation": {"oracle": True},
        "run": {"rounds": 6, "device": "cpu", "checkpoint_every_rounds": 2},
    }
    merged = {name: {**base.get(name, {}), **tables.get(name, {})} for name in {**base, **tables}}
    return load_experiment(flags=merged)
