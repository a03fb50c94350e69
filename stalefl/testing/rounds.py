"""A few rounds of a tiny federation: three clients, one of them late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensator, ServerView, State
from stalefl.seeds import named_generator
from stalefl.server.round import server_round
from stalefl.testing.examples import EXAMPLE_SPEC, EXAMPLE_TRAINING, example_model, example_samples
from stalefl.training.local_update import local_update

ROUNDS, CLIENTS, LATE_ROUNDS = 4, 3, 2


@dataclass(frozen=True)
class Served:
    """What is there after a round: the weights [P] and the method's state."""

    weights: Tensor
    state: State


Between = Callable[[Compensator, State], tuple[Compensator, State]]


def serve(method: Compensator, between: Between = lambda method, state: (method, state)) -> list[Served]:
    """Four rounds of three clients, one of them two rounds late, from the example model. ``between`` gives the method
    and the state that go on after each round."""
    delays = [0, 0, 0 if method.without_staleness else LATE_ROUNDS]
    view = _first_view()
    state = method.init(view)
    sent: dict[tuple[int, int], Tensor] = {}
    served: list[Served] = []
    for round in range(1, ROUNDS + 1):
        for client, delay in enumerate(delays):
            seen = replace(view, round=round, generator=_generator("dispatch", round, client), staleness_rounds=delay)
            sent[client, round] = method.dispatch(client, seen, state)
        arriving = [(client, begun) for client, begun in sent if begun + delays[client] == round]
        updates = [_trained(client, begun, round, sent.pop((client, begun))) for client, begun in arriving]
        seen = replace(view, round=round, generator=_generator("server", round), awaited=frozenset(sent))
        outcome = server_round(
            method, seen, updates, state, lambda update: _generator("compensate", update.arrived_round, update.client)
        )
        served.append(Served(outcome.weights, outcome.state))
        view = replace(view, weights=outcome.weights)
        method, state = between(method, outcome.state)
    return served


def _first_view() -> ServerView:
    model, weights, buffers = example_model()
    generator = _generator("server", 0)
    return ServerView(0, weights, buffers, model, EXAMPLE_TRAINING, EXAMPLE_SPEC, generator, clients=CLIENTS)


def _generator(purpose: str, *index: int) -> torch.Generator:
    return named_generator(0, f"conformance-{purpose}", *index)


def _trained(client: int, dispatched: int, arrived: int, base: Tensor) -> ClientUpdate:
    model, _, buffers = example_model()
    inputs, targets = example_samples(seed=client)
    delta = local_update(model, base, buffers, inputs, targets, EXAMPLE_TRAINING).delta
    return ClientUpdate(client, delta, len(targets), dispatched, arrived, base)
