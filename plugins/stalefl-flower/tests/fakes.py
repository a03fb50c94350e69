"""A grid in this process, in which time is what the loop sleeps and nodes take as long as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode
from flwr.supercore.task_identity import TaskIdentity
from stalefl_flower import client_app
from stalefl_flower.rounds import Clock

# What Flower sets before it starts a ServerApp.
TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1


@dataclass
class Node:
    """A SuperNode. ``seconds`` is how long its trainings take, the n-th in order; the last stands for all others."""

    id: int
    client: int | None
    seconds: list[float | None] = field(default_factory=lambda: [1.0])
    """None: it never replies."""
    joins: float = 0.0
    dies: float = float("inf")
    app: ClientApp = client_app.app
    change: Callable[[Message], Message] | None = None
    """What it does to its replies."""

    def context(self) -> Context:
        config = {} if self.client is None else {"partition-id": self.client}
        return Context(1, self.id, config, RecordDict(), {})


@dataclass
class FakeGrid:
    """``flwr.serverapp.Grid`` as far as the loop uses it. Offline nodes are answered for as the SuperLink does."""

    nodes: list[Node]
    time: float = 0.0
    twice: bool = False
    """Give every reply a second time."""
    due: dict[str, tuple[float | None, Message, Node]] = field(default_factory=dict)
    trained: dict[int, int] = field(default_factory=dict)
    sent: list[Message] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(lambda: self.time, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.time += seconds

    def get_node_ids(self) -> Iterable[int]:
        return [node.id for node in self.nodes if node.joins <= self.time < node.dies]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        return [self._push(message) for message in messages]

    def _push(self, message: Message) -> str:
        key = message.object_id
        message.metadata.__dict__["_message_id"] = key
        self.sent.append(message)
        node = next(node for node in self.nodes if node.id == message.metadata.dst_node_id)
        self.due[key] = (self._when(node, message), message, node)
        return key

    def _when(self, node: Node, message: Message) -> float | None:
        if message.metadata.message_type != "train":
            return self.time
        count = self.trained.get(node.id, 0)
        self.trained[node.id] = count + 1
        seconds = node.seconds[min(count, len(node.seconds) - 1)]
        return None if seconds is None else self.time + seconds

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        replies = []
        for key in sorted(message_ids, key=list(self.due).index):
            when, message, node = self.due[key]
            if when is not None and when <= min(self.time, node.dies):
                replies += [self._answer(message, node)] * (2 if self.twice else 1)
            elif node.dies <= self.time:
                replies.append(Message(Error(ErrorCode.NODE_UNAVAILABLE, "offline"), reply_to=message))
        return replies

    @staticmethod
    def _answer(message: Message, node: Node) -> Message:
        try:
            reply = node.app(message, node.context())
            return node.change(reply) if node.change and message.metadata.message_type == "train" else reply
        except Exception as error:
            return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, repr(error)), reply_to=message)
