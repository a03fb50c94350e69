from __future__ import annotations

from typing import Any

import pytest
import torch
from fakes import FakeGrid, Node
from federations import run
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from stalefl_flower.client_app import delay_seconds, partition_id
from stalefl_flower.protocol import ARRAYS, CLIENT, CONFIG, METRICS, SAMPLES, Unusable, join_message, read_client
from stalefl_flower.train_messages import read_instruction

from stalefl.contracts import InputError
from stalefl.storage import load_weights


@pytest.mark.parametrize("value", [-1, "two", 1.5, True])
def test_a_partition_id_that_is_no_clients_number_is_an_error(value: Any) -> None:
    with pytest.raises(InputError, match="partition-id"):
        partition_id({"partition-id": value})


@pytest.mark.parametrize("value", [-1, "slow", float("nan"), True])
def test_a_delay_that_is_no_time_is_an_error(value: Any) -> None:
    with pytest.raises(InputError, match="delay-seconds"):
        delay_seconds({"delay-seconds": value})


def test_a_node_need_not_be_slow_nor_know_who_it_is() -> None:
    assert (partition_id({}), delay_seconds({}), delay_seconds({"delay-seconds": 2})) == (None, 0.0, 2.0)


def test_nodes_without_a_number_get_the_free_ones(tmp_path: Any) -> None:
    grid = FakeGrid([Node(100, None), Node(101, None, joins=0.7), Node(102, None)])
    run(grid, tmp_path, rounds=1)
    sent = [m for m in grid.sent if m.metadata.message_type == "train"]
    assert {m.metadata.dst_node_id: m.content[CONFIG][CLIENT] for m in sent} == {100: 0, 102: 1, 101: 2}


@pytest.mark.parametrize("client", [3, -1, "one"])
def test_a_client_that_does_not_exist_is_refused(client: Any) -> None:
    query = join_message(7)
    query.metadata.__dict__["_message_id"] = "m"
    reply = Message(RecordDict({CONFIG: ConfigRecord({CLIENT: client})}), reply_to=query)
    with pytest.raises(Unusable, match=r"valid: 0 to 2"):
        read_client(reply, 3)


def test_an_instruction_of_another_serverapp_is_told_from_stalefls() -> None:
    message = Message(RecordDict({CONFIG: ConfigRecord({"lr": 0.1})}), 7, "train")
    with pytest.raises(Unusable, match="not stalefl's"):
        read_instruction(message)


def own_app(delta: float) -> ClientApp:
    """A ClientApp as Flower's own examples have them: it knows nothing of stalefl."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Any) -> Message:
        arrays = message.content[ARRAYS]
        assert message.content[CONFIG]["lr"] == 0.1
        state = {name: value + delta for name, value in arrays.to_torch_state_dict().items()}
        content = {ARRAYS: type(arrays)(state), METRICS: MetricRecord({SAMPLES: 10, "loss": 1.0})}
        return Message(RecordDict(content), reply_to=message)

    return app


def test_a_clientapp_written_for_flowers_strategies_is_served(tmp_path: Any) -> None:
    grid = FakeGrid([Node(100 + i, None, app=own_app(delta=0.5 * i)) for i in range(3)])
    result = run(grid, tmp_path, rounds=1)
    assert result["rejected_updates"] == 0
    sent = next(m for m in grid.sent if m.metadata.message_type == "train")
    before, after = sent.content[ARRAYS].to_torch_state_dict(), load_weights(tmp_path / "weights.safetensors")
    for name, value in before.items():
        torch.testing.assert_close(after[name], value + 0.5)  # the mean of 0, 0.5 and 1
