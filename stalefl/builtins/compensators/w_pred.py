"""w-pred: a late client trains on a prediction of the global model it will be aggregated into.

Paper: Hakimi et al., "Taming Momentum in a Distributed Asynchronous Environment", arXiv:1907.11612 (DANA), as the
baseline "W-Pred" of Wang and Gao, AAAI 2025, with staleness known beforehand. The server keeps the momentum
v <- gamma v + (1 - gamma) (w_t - w_{t-1}) of the global model and sends to a client whose reply will be tau rounds late
w_t + v (gamma + gamma^2 + ... + gamma^tau): the model expected if only momentum moved it.

Deviations: DANA's momentum is the optimiser's own; FedAvg has none, so it is the average of the model's past moves.
Wang and Gao's text leaves open how the prediction enters; it is dispatched, as in DANA, not applied on arrival.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from stalefl.contracts import Compensator, Options, ServerView, State


class WPredOptions(Options):
    gamma: float = Field(0.9, ge=0, lt=1, description="momentum of the server's average move")


class WPred(Compensator):
    summary = "late clients train on a momentum prediction of the future global model"
    paper = "Hakimi et al., arXiv:1907.11612"
    Options = WPredOptions
    options: WPredOptions

    def init(self, view: ServerView) -> State:
        return {"velocity": torch.zeros_like(view.weights)}

    def dispatch(self, client: int, view: ServerView, state: State) -> Tensor:
        gamma, tau = self.options.gamma, view.staleness_rounds
        if tau == 0:
            return view.weights
        horizon = gamma * (1 - gamma**tau) / (1 - gamma)
        return view.weights + horizon * state["velocity"]

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        gamma = self.options.gamma
        move = weights - view.weights
        return weights, {"velocity": gamma * state["velocity"] + (1 - gamma) * move}
