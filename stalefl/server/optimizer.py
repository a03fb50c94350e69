"""An optimiser at the server: the move that a method's aggregation makes is taken for a (negative) gradient.

Papers: Reddi et al., "Adaptive Federated Optimization", ICLR 2021 (FedAdam); Hsu, Qi and Brown, "Measuring the Effects
of Non-Identical Data Distribution for Federated Visual Classification", arXiv:1909.06335 (FedAvgM). With D the move:

    mean       w <- w + lr D                                        FedAvg at lr 1
    momentum   m <- b1 m + D,             w <- w + lr m
    adam       m <- b1 m + (1 - b1) D,    v <- b2 v + (1 - b2) D * D,    w <- w + lr m / (sqrt(v) + eps)
    amsgrad    the same with the greatest v so far

Deviation: v begins at 0 (Reddi et al.: eps^2). There is no bias correction, as there. The formulas are from memory; the
papers' text was not at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from stalefl.config.schema import ServerTable
from stalefl.contracts import ClientUpdate, Compensated, Compensator, Contribution, InputError, ServerView, State
from stalefl.training.adam import Moments

KEY = "server_optimizer"
"""Of the optimiser's own part of the state, beside the method's."""


def with_server_optimizer(method: Compensator, name: str, settings: ServerTable) -> Compensator:
    """The method with this step at the server; the method itself where the step is FedAvg's.

    Raises InputError for a method whose aggregation is no mean: it has a step of its own.
    """
    if settings.optimizer == "mean" and settings.lr == 1:
        return method
    if type(method).aggregate is not Compensator.aggregate:
        given = [f'server.optimizer = "{settings.optimizer}"'] * (settings.optimizer != "mean")
        given += [f"server.lr = {settings.lr:g}"] * (settings.lr != 1)
        raise InputError(
            f"{', '.join(given)}: the method {name} has a step of its own at the server; valid with methods that "
            "average as FedAvg does (docs/methods.md lists them)"
        )
    return ServerOptimized(method, settings)


class ServerOptimized(Compensator):
    """A method whose aggregated move is made by an optimiser. What it knows of the method it asks the method."""

    def __init__(self, method: Compensator, settings: ServerTable) -> None:
        super().__init__(method.options)
        self.method, self.settings = method, settings

    def init(self, view: ServerView) -> State:
        return {**self.method.init(view), KEY: no_moves(view)}

    def dispatch(self, client: int, view: ServerView, state: State) -> Tensor:
        return self.method.dispatch(client, view, _own(state))

    def prepare(self, arrivals: Sequence[tuple[ClientUpdate, ServerView]], state: State) -> State:
        return {**self.method.prepare(arrivals, _own(state)), KEY: state[KEY]}

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        compensated = self.method.compensate(update, view, _own(state))
        return compensated._replace(state={**compensated.state, KEY: state[KEY]})

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        weights, own = self.method.aggregate(contributions, view, _own(state))
        step, moments = self._step(weights - view.weights, state[KEY])
        return view.weights + step, {**own, KEY: moments}

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        weights, own = self.method.refine(weights, view, _own(state))
        return weights, {**own, KEY: state[KEY]}

    def _step(self, move: Tensor, moments: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The step [P] for a move [P] that the aggregation would make, and the moments after it."""
        s = self.settings
        if s.optimizer == "mean":
            return s.lr * move, moments
        if s.optimizer == "momentum":
            first = s.beta_1 * moments["first"] + move
            return s.lr * first, {**moments, "first": first}
        after = moves_after(move, moments, s.beta_1, s.beta_2)
        scale = after["greatest_second" if s.optimizer == "amsgrad" else "second"]
        return s.lr * after["first"] / (scale.sqrt() + s.epsilon), after


def no_moves(view: ServerView) -> dict[str, Tensor]:
    """The moments [P] before the server's first move."""
    zero = torch.zeros_like(view.weights)
    return {"first": zero, "second": zero, "greatest_second": zero}


def moves_after(move: Tensor, moments: Mapping[str, Tensor], beta_1: float, beta_2: float) -> dict[str, Tensor]:
    """The moments after one more move [P]; the greatest second moment so far is AMSGrad's."""
    mean = Moments(moments["first"], moments["second"]).seen(move, 1 - beta_1, 1 - beta_2)
    return {**mean._asdict(), "greatest_second": torch.maximum(moments["greatest_second"], mean.second)}


def _own(state: State) -> dict[str, Any]:
    """The method's part of the state."""
    return {key: value for key, value in state.items() if key != KEY}
