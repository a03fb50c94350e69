"""The ClientApp: stalefl's local program on this node's part of a data set.

The node's config (``flower-supernode --node-config``) may say ``partition-id``, which client it is, and
``delay-seconds``, how much slower than its machine it is to be (for trials).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from stalefl.contracts import InputError
from stalefl_flower.protocol import JOIN, joined_reply

app = ClientApp()


@app.query(JOIN.removeprefix("query."))
def join(message: Message, context: Context) -> Message:
    """Which client this node is."""
    return joined_reply(message, partition_id(context.node_config))


@app.train()
def train(message: Message, context: Context) -> Message:
    """One local training, from the model in the message."""
    from stalefl_flower.client_training import train_and_reply

    return train_and_reply(message, partition_id(context.node_config), delay_seconds(context.node_config))


def partition_id(node_config: Mapping[str, Any]) -> int | None:
    """``partition-id``, or None. Raises InputError unless it is a whole number."""
    value = node_config.get("partition-id")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise InputError(f"node config: partition-id = {value!r} is not valid; valid: a client's number, from 0")
    return value


def delay_seconds(node_config: Mapping[str, Any]) -> float:
    """``delay-seconds``, 0 where it is not given. Raises InputError unless it is a number from 0."""
    value = node_config.get("delay-seconds", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InputError(f"node config: delay-seconds = {value!r} is not valid; valid: a number, 0 or more")
    return float(value)
