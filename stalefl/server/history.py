"""The models that clients still at work were given; one is dropped when its last pending update has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Sent:
    """The model a client was given: ``weights`` [P] and buffers."""

    weights: Tensor
    buffers: Mapping[str, Tensor]


@dataclass
class History:
    """Sent models by (client, dispatched round, arrival round). Clients given the same model share its tensors."""

    sent: dict[tuple[int, int, int], Sent] = field(default_factory=dict)

    def copy(self) -> History:
        return History(dict(self.sent))

    def send(self, client: int, dispatched_round: int, arrived_round: int, model: Sent) -> None:
        self.sent[client, dispatched_round, arrived_round] = model

    def take(self, client: int, dispatched_round: int, arrived_round: int) -> Sent:
        """The model that the client was given; it is forgotten with this call."""
        return self.sent.pop((client, dispatched_round, arrived_round))

    def awaited(self) -> frozenset[tuple[int, int]]:
        """(client, dispatched round) of the models whose update has not arrived."""
        return frozenset((client, dispatched_round) for client, dispatched_round, _ in self.sent)

    def to_tree(self) -> list[dict[str, Any]]:
        """Plain data for a checkpoint."""
        return [{"job": list(job), "weights": s.weights, "buffers": dict(s.buffers)} for job, s in self.sent.items()]

    @classmethod
    def from_tree(cls, tree: list[dict[str, Any]]) -> History:
        return cls({tuple(e["job"]): Sent(e["weights"], e["buffers"]) for e in tree})
