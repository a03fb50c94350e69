from __future__ import annotations

from stalefl_flower.client_nodes import ClientNodes


def test_a_node_is_new_once_unless_its_answer_was_lost() -> None:
    nodes = ClientNodes(clients=3)
    assert nodes.newcomers([12, 11]) == [11, 12]
    assert nodes.newcomers([11, 12, 13]) == [13]
    nodes.forget(12)
    assert nodes.newcomers([11, 12, 13]) == [12]


def test_a_client_that_comes_back_under_a_new_id_takes_the_place_of_its_old_node() -> None:
    nodes = ClientNodes(clients=3)
    assert nodes.enter(11, client=1) is None
    assert nodes.enter(11, client=1) is None
    assert nodes.enter(12, client=1) == 11
    assert nodes.present([11, 12]) == {1: 12}


def test_nodes_that_are_here_stand_in_the_order_of_their_clients() -> None:
    nodes = ClientNodes(clients=3)
    for node, client in ((11, 2), (12, 0), (13, 1)):
        nodes.enter(node, client)
    assert list(nodes.present([11, 12]).items()) == [(0, 12), (2, 11)]


def test_the_lowest_free_number_is_given_until_all_are_taken() -> None:
    nodes = ClientNodes(clients=2)
    nodes.enter(11, client=0)
    assert nodes.free_client() == 1
    nodes.enter(12, client=1)
    assert nodes.free_client() is None
