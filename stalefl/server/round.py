"""One round at the server: reject what is broken, compensate, aggregate, refine. Sees updates, never data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensator, Contribution, ServerView, State

Cause = Literal["arrived", "compensated", "aggregated"]


@dataclass(frozen=True)
class ServerRound:
    """What the server made of a round's updates. ``rejected`` lists the clients whose update was not finite, ``causes``
    when that showed: ``arrived``, ``compensated`` (after the method's step) or ``aggregated`` (the new model would not
    have been finite, so that the whole round was left out)."""

    weights: Tensor
    buffers: dict[str, Tensor]
    state: State
    contributions: tuple[Contribution, ...]
    rejected: tuple[int, ...]
    inversion_iterations: int
    causes: tuple[Cause, ...] = ()


def server_round(
    method: Compensator,
    view: ServerView,
    updates: Sequence[ClientUpdate],
    state: State,
    generator_for: Callable[[ClientUpdate], torch.Generator],
) -> ServerRound:
    """The next global model from the updates that arrived. ``generator_for`` names a generator of each.

    An update, or its compensation, that holds NaN or infinity is left out; with none left, or with a sum that
    overflows, the model stays as it is.
    """
    contributions: list[Contribution] = []
    in_order = sorted(updates, key=lambda u: (u.staleness_rounds, u.client))
    rejected: list[tuple[int, Cause]] = [(update.client, "arrived") for update in in_order if not _whole(update)]
    whole = [update for update in in_order if _whole(update)]
    iterations = 0

    def seen(update: ClientUpdate) -> ServerView:
        return replace(view, staleness_rounds=update.staleness_rounds, generator=generator_for(update))

    state = method.prepare([(update, seen(update)) for update in whole], state)
    for update in whole:
        compensated = method.compensate(update, seen(update), state)
        iterations += compensated.iterations
        if not (_finite(compensated.delta) and math.isfinite(compensated.weight)):
            rejected.append((update.client, "compensated"))
            continue
        state = compensated.state
        contributions.append(
            Contribution(update, compensated.delta, compensated.weight, compensated.iterations, compensated.facts)
        )
    weights, next_state = view.weights, state
    if contributions:
        weights, next_state = method.aggregate(contributions, view, state)
    weights, next_state = method.refine(weights, view, next_state)
    if _finite(weights):
        state = next_state
    else:
        weights = view.weights
        rejected += [(c.update.client, "aggregated") for c in contributions]
        contributions = []
    buffers = average_buffers([c.update for c in contributions], view.buffers)
    clients, causes = tuple(client for client, _ in rejected), tuple(cause for _, cause in rejected)
    return ServerRound(weights, buffers, state, tuple(contributions), clients, iterations, causes)


def average_buffers(updates: Sequence[ClientUpdate], current: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Batch-norm statistics: the mean over updates by sample count; counters take the greatest value. What no client
    changed (an embedding that is not trained) stays as it is, bit for bit."""
    total = sum(u.samples for u in updates)
    if not total or not current:
        return dict(current)
    averaged = {}
    for name, value in current.items():
        stack = torch.stack([u.buffers[name] for u in updates])
        if value.is_floating_point():
            shares = torch.tensor([u.samples / total for u in updates]).to(stack)
            averaged[name] = value + torch.tensordot(shares, stack - value, dims=1)
        else:
            averaged[name] = stack.amax(dim=0)
    return averaged


def _whole(update: ClientUpdate) -> bool:
    return _finite(update.delta, *update.buffers.values())


def _finite(*tensors: Tensor) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
