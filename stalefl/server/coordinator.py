"""The server of a run: what stays the same over it, and its steps, wherever updates come from and whenever they arrive.

The simulator and a real federation call the same steps with the same names of generators, so that the same arrivals
give the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensator, InputSpec, LocalTraining, Model, ServerView, State
from stalefl.seeds import named_generator
from stalefl.server.history import Sent
from stalefl.server.round import ServerRound, server_round


@dataclass(frozen=True)
class Coordinator:
    """All that stays the same at the server."""

    method: Compensator
    model: Model
    training: LocalTraining
    input_spec: InputSpec
    seed: int
    clients: int = 0
    """How many clients there are, those that never take part included; 0: not known."""

    def view(self, round: int, weights: Tensor, buffers: Mapping[str, Tensor]) -> ServerView:
        """What the method sees of a round (0: before the first) that begins with ``weights`` [P]."""
        return ServerView(
            round=round,
            weights=weights,
            buffers=buffers,
            model=self.model,
            training=self.training,
            input_spec=self.input_spec,
            generator=named_generator(self.seed, "server", round),
            clients=self.clients,
        )

    def send(self, client: int, staleness_rounds: int, view: ServerView, state: State) -> Sent:
        """The model for a client that starts now, whose reply will be, or is expected to be, so late."""
        generator = named_generator(self.seed, "dispatch", view.round, client)
        seen = replace(view, staleness_rounds=staleness_rounds, generator=generator)
        return Sent(self.method.dispatch(client, seen, state), view.buffers)

    def serve(self, view: ServerView, updates: Sequence[ClientUpdate], state: State) -> ServerRound:
        """The next model from the updates that arrived in the view's round."""
        return server_round(self.method, view, updates, state, self._generators(view.round, updates))

    def _generators(self, round: int, updates: Sequence[ClientUpdate]) -> Callable[[ClientUpdate], torch.Generator]:
        """By round and client. Where several updates of a client arrive in a round, all but the one begun last go by
        their round of dispatch as well."""
        begun_last: dict[int, int] = {}
        for update in updates:
            begun_last[update.client] = max(update.dispatched_round, begun_last.get(update.client, 0))

        def generator(update: ClientUpdate) -> torch.Generator:
            is_last = update.dispatched_round == begun_last[update.client]
            index = (update.client,) if is_last else (update.client, update.dispatched_round)
            return named_generator(self.seed, "compensate", round, *index)

        return generator
