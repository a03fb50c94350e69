"""unweighted: FedAvg that takes late updates as they are.

Paper: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017;
"Unweighted" in Wang and Gao, AAAI 2025. No deviation: weights are the clients' sample counts.
"""

from __future__ import annotations

from stalefl.contracts import Compensator


class Unweighted(Compensator):
    summary = "FedAvg that takes late updates as they are"
    paper = "McMahan et al., AISTATS 2017"
