"""fadas: AMSGrad at the server on the mean of every M updates, with a learning rate that minds their delay.

Paper: Wang, Wang, Lu, Chen, "FADAS: Towards Federated Adaptive Asynchronous Optimization", ICML 2024. After every M
arrivals, with D their mean: m <- b1 m + (1 - b1) D, v <- b2 v + (1 - b2) D * D, v_hat <- max(v_hat, v), w <- w + lr_t
m / (sqrt(v_hat) + eps). lr_t is lr while the greatest staleness among the M is at most tau_c, and min(lr, 1 / that
staleness) beyond it.

Deviations: M is counted as in ``fedbuff``, arrivals of a round one after another, fresh ones first; staleness in
rounds. lr 0.001 and tau_c 1 are those of a public re-implementation (the paper tunes lr), whose delay rule is another:
``delay_rule = "divide"``, lr / staleness. With the paper's rule staleness matters only above 1 / lr.
Checked: the rule against a public summary of the paper's algorithm; the two sources differ in the delay rule,
as said. The paper's text was not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from stalefl.contracts import Compensator, Contribution, Options, ServerView, State
from stalefl.server.optimizer import moves_after, no_moves


class FadasOptions(Options):
    buffer_size: int = Field(5, ge=1, description="M, the number of updates the server waits for")
    server_lr: float = Field(0.001, gt=0, description="learning rate at the server")
    beta_1: float = Field(0.9, ge=0, lt=1, description="memory of the mean update")
    beta_2: float = Field(0.99, ge=0, lt=1, description="memory of its square")
    epsilon: float = Field(1e-8, gt=0, description="added to the root of the square")
    delay_rule: Literal["cap", "divide", "none"] = Field(
        "cap", description="beyond tolerated_rounds: at most 1 / staleness, or learning rate / staleness, or unchanged"
    )
    tolerated_rounds: int = Field(1, ge=0, description="tau_c, the staleness up to which the learning rate stays")


class Fadas(Compensator):
    summary = "AMSGrad at the server on the mean of every M updates"
    paper = "Wang et al., ICML 2024"
    Options = FadasOptions
    options: FadasOptions

    def init(self, view: ServerView) -> State:
        return {"sum": torch.zeros_like(view.weights), "count": 0, "staleness": 0, **no_moves(view)}

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        weights = view.weights
        for c in contributions:
            staleness = max(state["staleness"], c.update.staleness_rounds)
            state = {**state, "sum": state["sum"] + c.delta, "count": state["count"] + 1, "staleness": staleness}
            if state["count"] == self.options.buffer_size:
                step, state = self._step(state)
                weights = weights + step
        return weights, state

    def _step(self, state: State) -> tuple[Tensor, State]:
        """The server's move [P] after a full buffer, and the state with an empty one."""
        options, mean = self.options, state["sum"] / state["count"]
        moments = moves_after(mean, state, options.beta_1, options.beta_2)
        rate = self._learning_rate(state["staleness"])
        empty = {"sum": torch.zeros_like(mean), "count": 0, "staleness": 0}
        return rate * moments["first"] / (moments["greatest_second"].sqrt() + options.epsilon), {**empty, **moments}

    def _learning_rate(self, staleness_rounds: int) -> float:
        rate = self.options.server_lr
        if staleness_rounds <= self.options.tolerated_rounds or self.options.delay_rule == "none":
            return rate
        return min(rate, 1 / staleness_rounds) if self.options.delay_rule == "cap" else rate / max(staleness_rounds, 1)
