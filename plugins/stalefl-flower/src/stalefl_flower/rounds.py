"""The round loop of a federation: it keeps sending work to idle nodes while slow ones are still busy, and takes every
reply, however late, with the round it started from.

One round, with the numbers in ``Federation.run_round``; the server's steps are those of the simulator
(``stalefl.server.coordinator``), which see updates and never data.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flwr.app import Message
from flwr.common.constant import ErrorCode
from torch import Tensor

from stalefl.config.explain import one_line
from stalefl.contracts import ClientUpdate, InputError, ServerView, State
from stalefl.server.coordinator import Coordinator
from stalefl.server.round import ServerRound
from stalefl_flower.client_nodes import ClientNodes
from stalefl_flower.event_log import EventLog
from stalefl_flower.messenger import Job, Messenger
from stalefl_flower.options import FederationOptions
from stalefl_flower.protocol import Unusable, join_message, read_client
from stalefl_flower.train_messages import TrainInstruction, read_reply, train_message

GONE = (ErrorCode.NODE_UNAVAILABLE, ErrorCode.MESSAGE_UNAVAILABLE, ErrorCode.REPLY_MESSAGE_UNAVAILABLE)
MOST_REASON = 300
"""Characters of a client's error that are shown."""
log = logging.getLogger("stalefl_flower")


class Clock(NamedTuple):
    """Seconds, and waiting: replaced in tests."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class FederationState:
    """All that changes at the server from round to round."""

    round: int
    """The last completed round; 0 before the first."""
    weights: Tensor
    buffers: dict[str, Tensor]
    method_state: State


@dataclass(frozen=True)
class FinishedRound:
    """What happened in a round, before evaluation."""

    view: ServerView
    """What the method saw of the round: the model before it."""
    updates: tuple[ClientUpdate, ...]
    """Those that arrived and could be read."""
    outcome: ServerRound
    refused: tuple[int, ...]
    """Clients whose reply could not be read as an update; ``outcome`` tells whose update was not finite."""
    client_seconds: float
    """What the clients say they trained, summed."""
    server_seconds: float


@dataclass
class OpenRound:
    """A round while replies are waited for."""

    view: ServerView
    method_state: State
    began: float
    updates: list[ClientUpdate] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    client_seconds: float = 0.0
    rested: set[int] = field(default_factory=set)
    """Clients heard in this round, with whatever: they get work again in the next."""


@dataclass
class Federation:
    """The server's part of a federation."""

    server: Coordinator
    messenger: Messenger
    options: FederationOptions
    experiment: str
    """As TOML, for the clients."""
    events: EventLog
    clock: Clock = field(default_factory=Clock)
    nodes: ClientNodes = field(init=False)
    lateness_rounds: dict[int, int] = field(default_factory=dict)
    """By client, the staleness of its last reply: what is expected of its next."""

    def __post_init__(self) -> None:
        self.nodes = ClientNodes(self.server.clients)
        self._heard = self.clock.now()

    def start(self, weights: Tensor, buffers: dict[str, Tensor]) -> FederationState:
        """The state before round 1. Waits until enough clients have joined; InputError if they do not."""
        self._heard = self.clock.now()
        log.info("waiting for %d clients", self.options.clients_to_start)
        while True:
            self._ask_newcomers(0)
            for reply in self.messenger.collect():
                self._enter(reply, 0)
            if len(self.nodes.present(self.messenger.nodes())) >= self.options.clients_to_start:
                break
            self._pause(f"{len(self.nodes.node_of)} of {self.options.clients_to_start} clients have joined")
        method_state = self.server.method.init(self.server.view(0, weights, buffers))
        return FederationState(0, weights, buffers, method_state)

    def rounds(self, state: FederationState, last_round: int) -> Iterator[tuple[FederationState, FinishedRound]]:
        """The rounds after ``state`` up to and with ``last_round``."""
        while state.round < last_round:
            state, finished = self.run_round(state)
            yield state, finished

    def run_round(self, state: FederationState) -> tuple[FederationState, FinishedRound]:
        """One round. Raises InputError if no usable reply comes for ``patience_seconds``."""
        view = self.server.view(state.round + 1, state.weights, state.buffers)
        current = OpenRound(view, state.method_state, self.clock.now())
        self._heard = current.began
        while True:
            # 1. Ask who is new, and take what has come in.
            self._ask_newcomers(view.round)
            for reply in self.messenger.collect():
                self._enter(reply, view.round)
                self._take(reply, current)
            # 2. Send the model to every client that is idle, until enough has come in for a round.
            self._send_work(current)
            if self._is_over(current):
                break
            self._pause(f"no usable reply in round {view.round}")
        # 3. Let the server reject, compensate, aggregate and refine.
        began = self.clock.now()
        view = replace(view, awaited=self.messenger.awaited())
        outcome = self.server.serve(view, current.updates, state.method_state)
        server_seconds = self.clock.now() - began
        finished = FinishedRound(
            view=view,
            updates=tuple(current.updates),
            outcome=outcome,
            refused=tuple(current.refused),
            client_seconds=current.client_seconds,
            server_seconds=server_seconds,
        )
        return FederationState(view.round, outcome.weights, outcome.buffers, outcome.state), finished

    # --- nodes ------------------------------------------------------------------------------------------------------

    def _ask_newcomers(self, round: int) -> None:
        for node in self.nodes.newcomers(self.messenger.nodes()):
            self.events.add("seen", round, node=node)
            if not self.messenger.ask(node, join_message(node)):
                self.nodes.forget(node)

    def _enter(self, reply: Message, round: int) -> None:
        """Give a node that has answered its client's number."""
        node = self.messenger.take_query(reply)
        if node is None:
            return
        client = self._who(reply, node, round)
        if client is None:
            return
        before = self.nodes.enter(node, client)
        self.events.add("joined", round, client=client, node=node)
        if before is not None:
            abandoned = self.messenger.abandon(before)
            self.events.add("replaced", round, client=client, node=before, reason=f"{len(abandoned)} jobs abandoned")

    def _who(self, reply: Message, node: int, round: int) -> int | None:
        """The client a node says it is, or the next free number; None if it cannot take part."""
        try:
            if reply.has_error():
                if reply.error.code in GONE:
                    self.nodes.forget(node)
                if reply.error.code != ErrorCode.CLIENT_APP_RAISED_EXCEPTION:
                    raise Unusable(_reason(reply))
                client = None  # a ClientApp of the user's own that does not know the question
            else:
                client = read_client(reply, self.server.clients)
            if client is None:
                client = self.nodes.free_client()
            if client is None:
                raise Unusable(f"all {self.server.clients} clients are there (partition.clients)")
        except Unusable as error:
            self.events.add("refused", round, node=node, reason=str(error))
            return None
        return client

    def _send_work(self, current: OpenRound) -> None:
        unavailable = self.messenger.busy() | current.rested
        for client, node in self.nodes.present(self.messenger.nodes()).items():
            if client not in unavailable:
                self._send(client, node, current)

    def _send(self, client: int, node: int, current: OpenRound) -> None:
        round = current.view.round
        expected_rounds = self.lateness_rounds.get(client, 0)
        sent = self.server.send(client, expected_rounds, current.view, current.method_state)
        instruction = TrainInstruction(client, round, self.experiment)
        message = train_message(node, instruction, sent, self.server, self.options.reply_seconds)
        if self.messenger.send(Job(client, node, round, sent), message):
            self.events.add("sent", round, client=client, node=node)
        else:
            current.rested.add(client)
            self.events.add("failed", round, client=client, node=node, reason="the SuperLink did not take the message")

    # --- replies ----------------------------------------------------------------------------------------------------

    def _take(self, reply: Message, current: OpenRound) -> None:
        job = self.messenger.take_job(reply)
        if job is None:
            return
        round = current.view.round
        current.rested.add(job.client)
        facts = {"client": job.client, "node": job.node, "dispatched_round": job.round}
        if reply.has_error():
            self.events.add("failed", round, **facts, reason=_reason(reply))
            return
        try:
            read = read_reply(reply, job.sent, self.server.model)
        except Unusable as error:
            current.refused.append(job.client)
            self.events.add("rejected", round, **facts, reason=str(error))
            return
        self._heard = self.clock.now()
        self.lateness_rounds[job.client] = round - job.round
        current.client_seconds += read.train_seconds
        current.updates.append(
            ClientUpdate(job.client, read.delta, read.samples, job.round, round, job.sent.weights, read.buffers)
        )
        self.events.add("arrived", round, **facts)

    def _is_over(self, current: OpenRound) -> bool:
        if not current.updates:
            return False
        if self.clock.now() - current.began >= self.options.round_seconds:
            return True
        if self.options.replies:
            return len(current.updates) >= self.options.replies or not self.messenger.jobs
        return all(job.round != current.view.round for job in self.messenger.jobs.values())

    def _pause(self, what: str) -> None:
        if self.clock.now() - self._heard >= self.options.patience_seconds:
            last = f"; the last failure: {self.events.last_reason}" if self.events.last_reason else ""
            raise InputError(f"{what} for {self.options.patience_seconds:g} seconds (patience_seconds){last}")
        self.clock.sleep(self.options.poll_seconds)


def _reason(reply: Message) -> str:
    return one_line(f"error {reply.error.code}: {reply.error.reason or 'no reason given'}")[:MOST_REASON]
