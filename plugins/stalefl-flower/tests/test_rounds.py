"""The round loop over a grid in this process, in which time is what the loop sleeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FakeGrid, Node
from federations import events, records, run
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from stalefl_flower.protocol import ARRAYS, DELTA, METRICS, SAMPLES

from stalefl.contracts import InputError


def arrivals(out: Path) -> list[tuple[int, int, int]]:
    """(client, dispatched round, arrived round), in the order of arrival."""
    return [(e["client"], e["dispatched_round"], e["round"]) for e in events(out) if e["event"] == "arrived"]


def nodes(count: int = 3) -> list[Node]:
    return [Node(100 + client, client) for client in range(count)]


def test_a_slow_node_is_not_waited_for_and_its_reply_comes_with_the_round_it_started_from(tmp_path: Path) -> None:
    slow = nodes()
    slow[1].seconds = [7.0]
    # Rounds last a second; the first, in which nobody knows that client 1 is slow, the three of round_seconds.
    run(FakeGrid(slow), tmp_path, rounds=6, round_seconds=3.0)
    assert [a for a in arrivals(tmp_path) if a[0] == 1] == [(1, 1, 5)]
    assert [a for a in arrivals(tmp_path) if a[0] == 0] == [(0, t, t) for t in range(1, 7)]


def test_a_busy_node_is_sent_nothing(tmp_path: Path) -> None:
    slow = nodes()
    slow[1].seconds = [7.0]
    run(FakeGrid(slow), tmp_path, rounds=6, round_seconds=3.0)
    assert [e["round"] for e in events(tmp_path) if e["event"] == "sent" and e["client"] == 1] == [1, 6]


def test_a_round_ends_with_as_many_replies_as_are_asked_for(tmp_path: Path) -> None:
    slow = nodes()
    slow[2].seconds = [1.6]
    run(FakeGrid(slow), tmp_path, rounds=2, replies=2)
    assert arrivals(tmp_path) == [(0, 1, 1), (1, 1, 1), (2, 1, 2), (0, 2, 2), (1, 2, 2)]


def test_a_killed_node_is_given_up_when_flower_says_so_and_the_run_ends(tmp_path: Path) -> None:
    killed = nodes()
    killed[1].dies = 1.5
    run(FakeGrid(killed), tmp_path, rounds=4)
    assert [a for a in arrivals(tmp_path) if a[0] == 1] == [(1, 1, 1)]
    failed = [e for e in events(tmp_path) if e["event"] == "failed"]
    assert [(e["client"], e["dispatched_round"], e["reason"]) for e in failed] == [(1, 2, "error 5: offline")]


def test_a_node_that_joins_late_gets_work_at_once(tmp_path: Path) -> None:
    late = nodes()
    late[2].joins = 2.2
    run(FakeGrid(late), tmp_path, rounds=4, clients_to_start=2)
    mine = [(e["event"], e["round"]) for e in events(tmp_path) if e.get("client") == 2 or e.get("node") == 102]
    assert mine[:4] == [("seen", 3), ("joined", 3), ("sent", 3), ("arrived", 3)]


def test_a_node_that_comes_back_under_a_new_id_is_the_same_client(tmp_path: Path) -> None:
    back = [*nodes(), Node(200, 1, joins=1.2)]
    back[1].seconds = [1.0, 50.0]
    run(FakeGrid(back), tmp_path, rounds=4)
    assert [a for a in arrivals(tmp_path) if a[0] == 1] == [(1, 1, 1), (1, 2, 2), (1, 3, 3), (1, 4, 4)]
    replaced = next(e for e in events(tmp_path) if e["event"] == "replaced")
    assert (replaced["client"], replaced["node"], replaced["reason"]) == (1, 101, "1 jobs abandoned")


def test_a_second_reply_to_one_message_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(FakeGrid(nodes(), twice=True), tmp_path, rounds=2)
    assert len(arrivals(tmp_path)) == 6
    assert "a second reply to message" in caplog.text


def test_a_node_that_fails_gets_work_again_in_the_next_round(tmp_path: Path) -> None:
    def broken(reply: Message) -> Message:
        if reply.metadata.group_id == "1":
            raise RuntimeError("out of memory")
        return reply

    failing = nodes()
    failing[0].change = broken
    run(FakeGrid(failing), tmp_path, rounds=2)
    assert [a for a in arrivals(tmp_path) if a[0] == 0] == [(0, 2, 2)]
    assert any("out of memory" in e.get("reason", "") for e in events(tmp_path))


def changed(change: Callable[[RecordDict], None]) -> Callable[[Message], Message]:
    def apply(reply: Message) -> Message:
        change(reply.content)
        return reply

    return apply


def wrong_shape(content: RecordDict) -> None:
    state = content[DELTA].to_torch_state_dict()
    content[DELTA] = ArrayRecord({**state, next(iter(state)): torch.zeros(2)})


def without_samples(content: RecordDict) -> None:
    content[METRICS] = MetricRecord({SAMPLES: 0})


def without_update(content: RecordDict) -> None:
    del content[DELTA]


def not_finite(content: RecordDict) -> None:
    state = content[DELTA].to_torch_state_dict()
    content[DELTA] = ArrayRecord({name: torch.full_like(value, torch.nan) for name, value in state.items()})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (wrong_shape, "has shape (2,), the model needs (8, 64)"),
        (without_samples, "metrics['num-examples'] = 0"),
        (without_update, "no record 'delta' or 'arrays'; it has: buffers, metrics"),
    ],
)
def test_a_reply_that_cannot_be_used_is_refused_told_and_counted(tmp_path: Path, change: Any, reason: str) -> None:
    faulty = nodes()
    faulty[2].change = changed(change)
    result = run(FakeGrid(faulty), tmp_path, rounds=2)
    rejected = [e for e in events(tmp_path) if e["event"] == "rejected"]
    assert [e["client"] for e in rejected] == [2, 2]
    assert reason in rejected[0]["reason"]
    assert result["rejected_updates"] == 2
    assert [record["rejections"] for record in records(tmp_path)] == [[{"client": 2, "cause": "unreadable"}]] * 2


def test_an_update_that_is_not_finite_is_rejected_by_the_core(tmp_path: Path) -> None:
    faulty = nodes()
    faulty[2].change = changed(not_finite)
    result = run(FakeGrid(faulty), tmp_path, rounds=2)
    assert result["rejected_updates"] == 2
    assert result["final"]["loss"] is not None
    assert [record["rejections"] for record in records(tmp_path)] == [[{"client": 2, "cause": "arrived"}]] * 2


def test_whole_weights_are_as_good_as_an_exact_difference(tmp_path: Path) -> None:
    """What a ClientApp written for Flower's own strategies returns."""
    grid = FakeGrid(nodes())

    def as_weights(reply: Message) -> Message:
        asked = next(m for m in grid.sent if m.metadata.message_id == reply.metadata.reply_to_message_id)
        base, delta = asked.content[ARRAYS].to_torch_state_dict(), reply.content[DELTA].to_torch_state_dict()
        del reply.content[DELTA], reply.content["buffers"]
        reply.content[ARRAYS] = ArrayRecord({name: base[name] + delta[name] for name in base})
        return reply

    exact = run(FakeGrid(nodes()), tmp_path / "exact", rounds=3)
    for node in grid.nodes:
        node.change = as_weights
    weights = run(grid, tmp_path / "weights", rounds=3)
    assert weights["final"]["loss"] == pytest.approx(exact["final"]["loss"], rel=1e-4)


def test_without_any_reply_the_run_fails_and_says_what_failed_last(tmp_path: Path) -> None:
    silent = nodes()
    for node in silent:
        node.seconds = [None]
    with pytest.raises(InputError, match=r"^no usable reply in round 1 for 20 seconds \(patience_seconds\)$"):
        run(FakeGrid(silent), tmp_path, rounds=2, patience_seconds=20)


def test_too_few_nodes_are_an_error_in_time(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^1 of 3 clients have joined for 20 seconds"):
        run(FakeGrid(nodes(1)), tmp_path, rounds=2, patience_seconds=20)
