"""The last update of every client, kept at the server: what methods with a memory of updates share.

Memory: one float32 vector [P] for every client that has been heard (ResNet-18: 45 MB each), in checkpoints too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stalefl.contracts import Contribution, ServerView

Latest = Mapping[int, Tensor]
"""By client, the delta [P] it delivered last."""


def with_arrivals(latest: Latest, contributions: Sequence[Contribution]) -> dict[int, Tensor]:
    """``latest``, with the deltas of this round in the place of older ones."""
    return {**latest, **{c.update.client: c.delta for c in contributions}}


def mean_over_clients(latest: Latest, view: ServerView) -> Tensor:
    """The mean delta [P] over all clients; one that has not been heard counts as zero.

    Where the number of clients is not known, over those that have been heard.
    """
    total = torch.zeros_like(view.weights)
    for client in sorted(latest):
        total += latest[client]
    return total / max(view.clients, len(latest), 1)


def fresh_and_cached(contributions: Sequence[Contribution], latest: Latest, view: ServerView, beta: float) -> Tensor:
    """The mean over the arrivals of delta - beta h, plus beta times the mean over all clients of h [P].

    h is what the client delivered last before this round, zero if nothing. beta 0 is FedAvg's mean, 1 FedVARP's.
    """
    fresh = torch.zeros_like(view.weights)
    for c in contributions:
        fresh += c.delta
        if c.update.client in latest:
            fresh -= beta * latest[c.update.client]
    return fresh / len(contributions) + beta * mean_over_clients(latest, view)
