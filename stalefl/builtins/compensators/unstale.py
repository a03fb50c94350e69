"""unstale: FedAvg as if no client were late.

Paper: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017.
The reference against which the damage of staleness and its repair are measured ("Unstale" in Wang and Gao, AAAI 2025);
no deployed system can run it.
"""

from __future__ import annotations

from stalefl.contracts import Compensator


class Unstale(Compensator):
    summary = "reference: FedAvg as if no client were late"
    paper = "McMahan et al., AISTATS 2017"
    without_staleness = True
