from __future__ import annotations

import pytest
import torch

from stalefl.server.history import History, Sent
from stalefl.storage import load_tree, save_tree

OLD = Sent(torch.tensor([1.0, 2.0]), {"mean": torch.tensor([0.5])})
NEW = Sent(torch.tensor([3.0, 4.0]), {})


def history() -> History:
    history = History()
    history.send(7, 1, 3, OLD)
    history.send(7, 2, 4, NEW)
    history.send(8, 1, 3, OLD)
    return history


def test_gives_each_job_the_model_that_its_client_was_sent() -> None:
    assert history().take(7, 1, 3) is OLD
    assert history().take(7, 2, 4) is NEW


def test_a_model_is_dropped_when_it_is_taken() -> None:
    taken = history()
    taken.take(7, 1, 3)
    assert sorted(taken.sent) == [(7, 2, 4), (8, 1, 3)]
    with pytest.raises(KeyError):
        taken.take(7, 1, 3)


def test_awaited_are_the_clients_and_rounds_of_what_has_not_been_taken() -> None:
    taken = history()
    assert taken.awaited() == {(7, 1), (7, 2), (8, 1)}
    taken.take(7, 1, 3)
    assert taken.awaited() == {(7, 2), (8, 1)}
    taken.send(7, 2, 9, NEW)
    taken.take(7, 2, 4)
    assert taken.awaited() == {(7, 2), (8, 1)}
    assert History().awaited() == frozenset()


def test_a_copy_shares_models_but_not_what_is_taken() -> None:
    original = history()
    assert original.copy().take(8, 1, 3) is OLD
    assert len(original.sent) == 3


def test_comes_back_from_a_checkpoint_as_it_was(tmp_path) -> None:
    save_tree(tmp_path / "tree", history().to_tree())
    back = History.from_tree(load_tree(tmp_path / "tree"))
    assert list(back.sent) == list(history().sent)
    for job, sent in history().sent.items():
        assert torch.equal(back.sent[job].weights, sent.weights)
        assert back.sent[job].buffers.keys() == sent.buffers.keys()
    assert back.take(8, 1, 3).buffers["mean"].tolist() == [0.5]


def test_clients_sent_the_same_model_share_it_in_the_checkpoint(tmp_path) -> None:
    big = Sent(torch.zeros(10_000), {})
    shared = History({(client, 1, 2): big for client in range(20)})
    save_tree(tmp_path / "tree", shared.to_tree())
    assert (tmp_path / "tree").stat().st_size < 2 * 40_000
