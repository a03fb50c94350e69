"""fedstale: between FedAvg, which uses arrivals only, and FedVARP, which trusts the clients' last updates as much.

Paper: Rodio, Neglia, "FedStale: leveraging stale client updates in federated learning", arXiv:2405.04171. The convex
combination (1 - beta) FedAvg + beta FedVARP: with h_i the last update of client i before this round (zero at first)
and S those that arrive, w <- w + lr ((1 / |S|) sum_S (delta_i - beta h_i) + beta (1 / N) sum over all N of h_i).

Deviations: the paper divides a client's fresh part by its probability of taking part; that is taken to be |S| / N for
all, since no method here knows more. beta 0.5 is ours: the paper gives guidelines by how unevenly clients take part
and how their data differ. The "stale" updates of the paper are those cached here; a late one is an arrival like any
other.
Checked: the rule against the abstract and a public re-implementation; the paper's text was not at hand.
Memory: one vector [P] per client.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from stalefl.contracts import Compensator, Contribution, Options, ServerView, State
from stalefl.server.last_updates import fresh_and_cached, with_arrivals


class FedStaleOptions(Options):
    beta: float = Field(0.5, ge=0, le=1, description="trust in the clients' last updates: 0 is FedAvg, 1 FedVARP")
    server_lr: float = Field(1.0, gt=0, description="learning rate at the server")


class FedStale(Compensator):
    summary = "arrivals, corrected by a share of the last updates of all clients"
    paper = "Rodio and Neglia, arXiv:2405.04171"
    Options = FedStaleOptions
    options: FedStaleOptions

    def init(self, view: ServerView) -> State:
        return {"latest": {}}

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        move = fresh_and_cached(contributions, state["latest"], view, self.options.beta)
        return view.weights + self.options.server_lr * move, {"latest": with_arrivals(state["latest"], contributions)}
