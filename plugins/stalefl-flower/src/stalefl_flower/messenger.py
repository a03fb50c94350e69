"""Messages out and replies in, over Flower's grid: who is asked, who answers, who has gone silent."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from flwr.app import Message

from stalefl.server.history import Sent

log = logging.getLogger("stalefl_flower")


class Grid(Protocol):
    """What is used of ``flwr.serverapp.Grid``."""

    def get_node_ids(self) -> Iterable[int]: ...

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]: ...

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]: ...


@dataclass(frozen=True)
class Job:
    """One local training that has been asked for."""

    client: int
    node: int
    round: int
    """The round in which the model was sent."""
    sent: Sent


@dataclass
class Messenger:
    """Sends messages, and knows which replies are still to come, by the id of the message sent."""

    grid: Grid
    jobs: dict[str, Job] = field(default_factory=dict)
    queries: dict[str, int] = field(default_factory=dict)
    """Nodes that were asked which client they are."""

    def nodes(self) -> list[int]:
        return sorted(self.grid.get_node_ids())

    def ask(self, node: int, query: Message) -> bool:
        """Whether the query is on its way."""
        key = self._push(query)
        if key:
            self.queries[key] = node
        return key is not None

    def send(self, job: Job, instruction: Message) -> bool:
        """Whether the instruction is on its way."""
        key = self._push(instruction)
        if key:
            self.jobs[key] = job
        return key is not None

    def collect(self) -> list[Message]:
        """The replies that have come in since. Each is given once."""
        asked = {*self.jobs, *self.queries}
        if not asked:
            return []
        replies: dict[str, Message] = {}
        for reply in self.grid.pull_messages(asked):
            key = reply.metadata.reply_to_message_id
            if key not in asked or key in replies:
                log.warning("a second reply to message %s from node %s: left out", key[:8], reply.metadata.src_node_id)
            else:
                replies[key] = reply
        return list(replies.values())

    def take_job(self, reply: Message) -> Job | None:
        """The job that a reply answers, which is done with; None if it answers something else."""
        return self.jobs.pop(reply.metadata.reply_to_message_id, None)

    def take_query(self, reply: Message) -> int | None:
        """The node whose answer a reply is; None if it answers something else."""
        return self.queries.pop(reply.metadata.reply_to_message_id, None)

    def abandon(self, node: int) -> list[Job]:
        """Expect nothing more of ``node``."""
        gone = {key: job for key, job in self.jobs.items() if job.node == node}
        for key in gone:
            del self.jobs[key]
        return list(gone.values())

    def busy(self) -> set[int]:
        """Clients at work."""
        return {job.client for job in self.jobs.values()}

    def awaited(self) -> frozenset[tuple[int, int]]:
        """(client, round of dispatch) of the models that clients still work on."""
        return frozenset((job.client, job.round) for job in self.jobs.values())

    def _push(self, message: Message) -> str | None:
        """The message's id; one at a time, as Flower refuses a request that is too large as a whole."""
        keys = list(self.grid.push_messages([message]))
        return keys[0] if keys and keys[0] else None
