"""fedvarp: the last updates of all clients stand in for those that do not take part.

Paper: Jhunjhunwala, Sharma, Nagarkatti, Joshi, "FedVARP: Tackling the Variance Due to Partial Client Participation in
Federated Learning", UAI 2022. With h_i the last update of client i before this round (zero at first) and S those that
arrive: w <- w + lr ((1 / |S|) sum_S (delta_i - h_i) + (1 / N) sum over all N clients of h_i); then h_i <- delta_i.

Deviations: none in the rule; lr is 1. Clients are weighted alike, as in the paper, not by samples. The paper knows no
late updates: one is an update like any other here. ClusterFedVARP, which shares the h_i among groups, is left out.
Checked: the rule against the formula in a public re-implementation and the abstract; the paper's text was not at
hand.
Memory: one vector [P] per client.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from stalefl.contracts import Compensator, Contribution, Options, ServerView, State
from stalefl.server.last_updates import fresh_and_cached, with_arrivals


class FedVarpOptions(Options):
    server_lr: float = Field(1.0, gt=0, description="learning rate at the server")


class FedVarp(Compensator):
    summary = "arrivals corrected by the last updates of all clients, against the variance of who takes part"
    paper = "Jhunjhunwala et al., UAI 2022"
    Options = FedVarpOptions
    options: FedVarpOptions

    def init(self, view: ServerView) -> State:
        return {"latest": {}}

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        move = fresh_and_cached(contributions, state["latest"], view, beta=1.0)
        return view.weights + self.options.server_lr * move, {"latest": with_arrivals(state["latest"], contributions)}
