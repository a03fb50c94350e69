"""mifa: every round moves by the mean of all clients' last updates, however old.

Paper: Gu, Huang, Zhang, Huang, "Fast Federated Learning in the Presence of Arbitrary Device Unavailability", NeurIPS
2021. w <- w + (1 / N) sum over all N clients of h_i, the last update of client i, those of this round included.

Deviations: none in the rule (the paper stores update / learning rate and multiplies again: the same while it is
constant). Clients are weighted alike, as in the paper, not by samples. The paper's analysis has every client active in
the first round; here one that has not been heard counts as zero.
Checked: against the abstract only, which says what is memorised; the formula is from memory.
Memory: one vector [P] per client.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from stalefl.contracts import Compensator, Contribution, ServerView, State
from stalefl.server.last_updates import mean_over_clients, with_arrivals


class Mifa(Compensator):
    summary = "moves by the mean of all clients' last updates"
    paper = "Gu et al., NeurIPS 2021"

    def init(self, view: ServerView) -> State:
        return {"latest": {}}

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        latest = with_arrivals(state["latest"], contributions)
        return view.weights + mean_over_clients(latest, view), {"latest": latest}
