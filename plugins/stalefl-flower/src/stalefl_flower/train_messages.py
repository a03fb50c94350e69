"""What is in the messages of type ``train``. Which model a reply started from is known by the id of the message that
it answers."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict
from typing import NamedTuple

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from torch import Tensor

from stalefl.contracts import InputError, Model
from stalefl.server.coordinator import Coordinator
from stalefl.server.history import Sent
from stalefl_flower.protocol import (
    ARRAYS,
    BUFFERS,
    CLIENT,
    CONFIG,
    DELTA,
    EXPERIMENT,
    METRICS,
    ROUND,
    SAMPLES,
    SECONDS,
    TRAIN,
    Unusable,
)


class TrainInstruction(NamedTuple):
    """What a client is asked to do, besides the model."""

    client: int
    round: int
    experiment: str
    """As TOML."""


class TrainReply(NamedTuple):
    """What a client sent back."""

    delta: Tensor
    """[P], on the model's device."""
    buffers: dict[str, Tensor]
    samples: int
    train_seconds: float
    """0 where the client does not say."""


# --- from the server ------------------------------------------------------------------------------------------------


def train_message(
    node: int, instruction: TrainInstruction, sent: Sent, server: Coordinator, reply_seconds: float
) -> Message:
    """The model in ``arrays``; in ``config`` the local program, key by key, and the whole experiment as TOML."""
    named = {**server.model.layout.to_named(sent.weights), **sent.buffers}
    program = {key.replace("_", "-"): value for key, value in asdict(server.training).items()}
    config = ConfigRecord(
        {ROUND: instruction.round, CLIENT: instruction.client, **program, EXPERIMENT: instruction.experiment}
    )
    content = RecordDict({ARRAYS: to_arrays(named), CONFIG: config})
    return Message(content, node, TRAIN, group_id=str(instruction.round), ttl=reply_seconds)


def read_reply(message: Message, sent: Sent, model: Model) -> TrainReply:
    """The update in a reply to a model ``sent``: ``delta``, or the weights after training in ``arrays``.

    Buffers are in a record of their own or among the arrays; where there are none, those sent stay. Raises
    Unusable that names what is missing or has another shape.
    """
    records = message.content.array_records
    samples, seconds = _figures(message)
    if DELTA in records:
        named = _tensors(records, DELTA)
        flat = _flat(named, DELTA, model)
        buffers = _tensors(records, BUFFERS) if BUFFERS in records else {}
    elif ARRAYS in records:
        named = _tensors(records, ARRAYS)
        flat = _flat(named, ARRAYS, model) - sent.weights
        buffers = {name: named[name] for name in sent.buffers if name in named}
    else:
        raise Unusable(f"no record '{DELTA}' or '{ARRAYS}'; it has: {', '.join(message.content) or 'nothing'}")
    return TrainReply(flat, _fitting(buffers, sent.buffers), samples, seconds)


def _figures(message: Message) -> tuple[int, float]:
    metrics = message.content.metric_records.get(METRICS, MetricRecord())
    samples, seconds = metrics.get(SAMPLES), metrics.get(SECONDS, 0.0)
    if not isinstance(samples, int | float) or not 1 <= samples < math.inf or samples != int(samples):
        raise Unusable(f"{METRICS}['{SAMPLES}'] = {samples}; valid: the client's number of samples")
    return int(samples), float(seconds) if isinstance(seconds, int | float) else 0.0


def _tensors(records: Mapping[str, ArrayRecord], name: str) -> dict[str, Tensor]:
    try:
        # Copies: the last bits of a result can depend on memory alignment, and what was received has none.
        return {key: tensor.clone() for key, tensor in records[name].to_torch_state_dict().items()}
    except Exception as error:
        raise Unusable(f"record '{name}' cannot be read: {error}") from error


def _flat(named: Mapping[str, Tensor], record: str, model: Model) -> Tensor:
    try:
        return model.layout.from_named(named, f"record '{record}'").to(model.device)
    except InputError as error:
        raise Unusable(str(error)) from error


def _fitting(received: Mapping[str, Tensor], sent: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for name, value in received.items():
        if name not in sent or value.shape != sent[name].shape:
            raise Unusable(f"buffer '{name}' of shape {tuple(value.shape)} is none of the model's")
    return {name: received[name].to(old) if name in received else old for name, old in sent.items()}


# --- at a client ----------------------------------------------------------------------------------------------------


def read_instruction(message: Message) -> tuple[TrainInstruction, dict[str, Tensor]]:
    """What a client is asked to do, and the model by name. Raises Unusable if it came from another program."""
    config = message.content.config_records.get(CONFIG, ConfigRecord())
    client, round, experiment = (config.get(key) for key in (CLIENT, ROUND, EXPERIMENT))
    if not (isinstance(client, int) and isinstance(round, int) and isinstance(experiment, str)):
        raise Unusable(f"'{CONFIG}' lacks {CLIENT}, {ROUND} or {EXPERIMENT}: the ServerApp is not stalefl's")
    return TrainInstruction(client, round, experiment), _tensors(message.content.array_records, ARRAYS)


def reply_message(instruction: Message, reply: TrainReply, model: Model) -> Message:
    """A reply with an exact update, to be read back bit for bit."""
    content = RecordDict(
        {
            DELTA: to_arrays(model.layout.to_named(reply.delta)),
            BUFFERS: to_arrays(reply.buffers),
            METRICS: MetricRecord({SAMPLES: reply.samples, SECONDS: reply.train_seconds}),
        }
    )
    return Message(content, reply_to=instruction)


def to_arrays(named: Mapping[str, Tensor]) -> ArrayRecord:
    return ArrayRecord(OrderedDict((name, tensor.detach().cpu()) for name, tensor in named.items()))
