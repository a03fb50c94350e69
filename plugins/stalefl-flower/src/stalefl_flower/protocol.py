"""The names in the messages between ServerApp and ClientApp, and how a node says which client it is.

Names are those of Flower's own strategies (``arrays``, ``config``, ``metrics``, ``num-examples``), so that a ClientApp
written for them can be used as it is. Free of torch: a node that joins should not have to wait for it.
"""

from __future__ import annotations

from flwr.app import ConfigRecord, Message, RecordDict

TRAIN = "train"
JOIN = "query.stalefl"
ARRAYS, DELTA, BUFFERS, CONFIG, METRICS = "arrays", "delta", "buffers", "config", "metrics"
SAMPLES, SECONDS = "num-examples", "train-seconds"
CLIENT, ROUND, EXPERIMENT = "client", "server-round", "experiment"


class Unusable(ValueError):
    """A message that cannot be used; the text says why."""


def join_message(node: int) -> Message:
    """Ask a node which client it is."""
    return Message(RecordDict(), node, JOIN)


def read_client(reply: Message, clients: int) -> int | None:
    """The client that a node says it is; None if it does not say. Raises Unusable unless it is one of ``clients``."""
    value = reply.content.config_records.get(CONFIG, ConfigRecord()).get(CLIENT)
    if value is None:
        return None
    if not isinstance(value, int) or not 0 <= value < clients:
        raise Unusable(f"it says it is client {value}; valid: 0 to {clients - 1} (partition.clients = {clients})")
    return value


def joined_reply(query: Message, client: int | None) -> Message:
    """Which client this is; None leaves it to the server."""
    return Message(RecordDict({CONFIG: ConfigRecord({} if client is None else {CLIENT: client})}), reply_to=query)
