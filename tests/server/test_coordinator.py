from __future__ import annotations

import torch
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensated, Compensator, Options, ServerView, State
from stalefl.seeds import named_generator
from stalefl.server.coordinator import Coordinator
from tests.fixtures import SPEC, TRAINING, tiny_mlp

SEED = 3


class Drawing(Compensator):
    """Sends and weighs by its draws, so that they can be read off."""

    def dispatch(self, client: int, view: ServerView, state: State) -> Tensor:
        return view.weights + torch.rand(1, generator=view.generator) + 10 * view.staleness_rounds

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        return Compensated(update.delta, torch.rand(1, generator=view.generator).item(), state)


def coordinator() -> Coordinator:
    return Coordinator(Drawing(Options()), tiny_mlp()[0], TRAINING, SPEC, SEED, clients=4)


def drawn(purpose: str, *index: int) -> float:
    return torch.rand(1, generator=named_generator(SEED, purpose, *index)).item()


def update(client: int, dispatched_round: int, arrived_round: int = 5) -> ClientUpdate:
    return ClientUpdate(client, torch.ones(2), 10, dispatched_round, arrived_round, torch.zeros(2))


def test_a_view_is_of_its_round() -> None:
    view = coordinator().view(5, torch.zeros(2), {})
    assert (view.round, view.clients, view.staleness_rounds) == (5, 4, 0)
    assert torch.rand(1, generator=view.generator).item() == drawn("server", 5)


def test_what_is_sent_depends_on_round_client_and_expected_delay() -> None:
    server = coordinator()
    buffers = {"mean": torch.tensor(2.0)}
    sent = server.send(2, 3, server.view(5, torch.zeros(1), buffers), {})
    assert sent.weights.item() == torch.tensor(drawn("dispatch", 5, 2)).add(30).item()
    assert sent.buffers == buffers


def test_each_update_has_a_generator_by_round_and_client_and_if_it_is_not_its_clients_last_by_dispatch() -> None:
    server = coordinator()
    outcome = server.serve(server.view(5, torch.zeros(2), {}), [update(1, 5), update(2, 2), update(2, 4)], {})
    weights = {(c.update.client, c.update.dispatched_round): c.weight for c in outcome.contributions}
    assert weights == {
        (1, 5): drawn("compensate", 5, 1),
        (2, 4): drawn("compensate", 5, 2),
        (2, 2): drawn("compensate", 5, 2, 2),
    }
