"""Instructions and replies in messages, there and back."""

from __future__ import annotations

from typing import Any

import fakes  # noqa: F401  (sets what Flower's messages need)
import pytest
import torch
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from stalefl_flower.protocol import ARRAYS, CONFIG, METRICS, SAMPLES, Unusable
from stalefl_flower.train_messages import (
    TrainInstruction,
    TrainReply,
    read_instruction,
    read_reply,
    reply_message,
    train_message,
)
from torch import nn

from stalefl.contracts import Compensator, InputSpec, LocalTraining, ModelPlugin, Options
from stalefl.seeds import named_generator
from stalefl.server.coordinator import Coordinator
from stalefl.server.history import Sent
from stalefl.training.model import build_flat_model

SPEC = InputSpec((3,), 2, ((0.0,), (1.0,)))


class BatchNorm(ModelPlugin):
    def build(self, spec: InputSpec) -> nn.Module:
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


MODEL, WEIGHTS, BUFFERS = build_flat_model(BatchNorm(Options()), SPEC, named_generator(0, "initial-weights"))
SENT = Sent(WEIGHTS, BUFFERS)
SERVER = Coordinator(Compensator(Options()), MODEL, LocalTraining(lr=0.25, local_epochs=3), SPEC, seed=0, clients=2)


def instruction() -> Message:
    message = train_message(5, TrainInstruction(1, 7, "[run]"), SENT, SERVER, reply_seconds=60.0)
    message.metadata.__dict__["_message_id"] = "sent"
    return message


def test_an_instruction_arrives_as_it_was_sent() -> None:
    message = instruction()
    told, named = read_instruction(message)
    assert told == (1, 7, "[run]")
    assert torch.equal(MODEL.layout.from_named(named), WEIGHTS)
    assert {name: named[name].tolist() for name in BUFFERS} == {name: b.tolist() for name, b in BUFFERS.items()}
    assert (message.metadata.dst_node_id, message.metadata.group_id, message.metadata.ttl) == (5, "7", 60.0)


def test_the_config_tells_other_clientapps_the_local_program() -> None:
    config = instruction().content[CONFIG]
    assert (config["lr"], config["local-epochs"], config["batch-size"], config["server-round"]) == (0.25, 3, 0, 7)


def test_an_update_and_its_buffers_come_back_bit_for_bit() -> None:
    delta = torch.linspace(-1, 1, MODEL.layout.size)
    after = {name: buffer + 1 for name, buffer in BUFFERS.items()}
    read = read_reply(reply_message(instruction(), TrainReply(delta, after, 12, 0.5), MODEL), SENT, MODEL)
    assert torch.equal(read.delta, delta)
    assert (read.samples, read.train_seconds) == (12, 0.5)
    assert {name: (b.dtype, b.tolist()) for name, b in read.buffers.items()} == {
        name: (b.dtype, b.tolist()) for name, b in after.items()
    }


def reply_of(state: dict[str, Any], metrics: dict[str, Any] | None = None) -> Message:
    content = {ARRAYS: ArrayRecord(state), METRICS: MetricRecord(metrics or {SAMPLES: 4})}
    return Message(RecordDict(content), reply_to=instruction())


def test_a_state_dict_is_taken_apart_into_weights_and_buffers() -> None:
    state = {name: value + 1 for name, value in {**MODEL.layout.to_named(WEIGHTS), **BUFFERS}.items()}
    read = read_reply(reply_of(state), SENT, MODEL)
    torch.testing.assert_close(read.delta, torch.ones_like(WEIGHTS))
    assert read.buffers["1.num_batches_tracked"].item() == 1


def test_without_buffers_those_that_were_sent_stay() -> None:
    read = read_reply(reply_of(MODEL.layout.to_named(WEIGHTS)), SENT, MODEL)
    assert read.buffers.keys() == BUFFERS.keys()


def test_a_buffer_of_another_shape_is_refused() -> None:
    state = {**MODEL.layout.to_named(WEIGHTS), "1.running_mean": torch.zeros(9)}
    with pytest.raises(Unusable, match=r"buffer '1.running_mean' of shape \(9,\)"):
        read_reply(reply_of(state), SENT, MODEL)


@pytest.mark.parametrize("samples", [0, -3, 2.5, float("nan"), float("inf")])
def test_a_number_of_samples_that_is_none_is_refused(samples: float) -> None:
    with pytest.raises(Unusable, match="num-examples"):
        read_reply(reply_of(MODEL.layout.to_named(WEIGHTS), {SAMPLES: samples}), SENT, MODEL)
