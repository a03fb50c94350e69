from __future__ import annotations

import pytest
from fakes import FakeGrid, Node
from stalefl_flower.messenger import Messenger
from stalefl_flower.protocol import join_message


def test_a_reply_is_given_once_and_answers_one_message(caplog: pytest.LogCaptureFixture) -> None:
    messenger = Messenger(FakeGrid([Node(100, 0), Node(101, 1)], twice=True))
    assert messenger.nodes() == [100, 101]
    assert messenger.ask(101, join_message(101))
    (reply,) = messenger.collect()
    assert "a second reply to message" in caplog.text
    assert messenger.take_job(reply) is None
    assert messenger.take_query(reply) == 101
    assert messenger.take_query(reply) is None
    assert messenger.collect() == []
