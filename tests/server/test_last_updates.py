from __future__ import annotations

import torch

from stalefl.contracts import Contribution
from stalefl.server.last_updates import fresh_and_cached, mean_over_clients, with_arrivals
from tests.fixtures import update, view

LATEST = {0: torch.tensor([4.0, 0.0]), 2: torch.tensor([8.0, 2.0])}


def arrival(client: int, delta: list[float]) -> Contribution:
    whole = update(delta, client=client)
    return Contribution(whole, whole.delta, 1.0)


def test_arrivals_take_the_place_of_what_was_there() -> None:
    after = with_arrivals(LATEST, [arrival(2, [1.0, 1.0]), arrival(3, [5.0, 5.0])])
    assert {client: delta.tolist() for client, delta in after.items()} == {0: [4, 0], 2: [1, 1], 3: [5, 5]}
    assert LATEST[2].tolist() == [8.0, 2.0]


def test_the_mean_is_over_all_clients_those_never_heard_as_zero() -> None:
    assert mean_over_clients(LATEST, view([0.0, 0.0], clients=4)).tolist() == [3.0, 0.5]
    assert mean_over_clients({}, view([1.0, 1.0], clients=4)).tolist() == [0.0, 0.0]


def test_where_the_number_of_clients_is_not_known_it_is_over_those_heard() -> None:
    assert mean_over_clients(LATEST, view([0.0, 0.0])).tolist() == [6.0, 1.0]
    assert mean_over_clients({}, view([0.0, 0.0])).tolist() == [0.0, 0.0]


def test_fresh_and_cached() -> None:
    """Client 2 had 8, client 1 nothing: with one half ((6 - 4) + 2) / 2 + 0.5 * 12 / 4 in the first place."""
    arrivals, now = [arrival(2, [6.0, 0.0]), arrival(1, [2.0, 0.0])], view([9.0, 9.0], clients=4)
    assert fresh_and_cached(arrivals, LATEST, now, beta=0.5)[0] == 2 + 1.5
    assert fresh_and_cached(arrivals, LATEST, now, beta=0.0).tolist() == [4.0, 0.0]
    assert fresh_and_cached(arrivals, {}, now, beta=1.0).tolist() == [4.0, 0.0]
