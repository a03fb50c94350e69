"""When to stop inverting: the paper's switch back to the late updates as they are.

Paper: Wang and Gao, AAAI 2025, "Switching back to Vanilla FL in Later Stages of FL Training". An estimate made in
round t is checked when the client's own update for round t arrives: E1 is the estimate's distance from it, E2 that of
the late update which the estimate replaced. Once E1 exceeds E2 the switch is made: the estimate's weight gamma falls
linearly from 1 to 0 over a window that is a share of the rounds before it.

Deviations: distances are relative L2 distances (measured on sketches); E1 and E2 are running means over what has
arrived, and the switch waits for a few arrivals, so that one odd update does not decide it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor

MEMORY = 0.9
ENOUGH_ARRIVALS = 5


@dataclass(frozen=True)
class Switch:
    """Running means of E1 and E2, the number of arrivals behind them, and the round of the switch (0: not yet)."""

    e1: float = 0.0
    e2: float = 0.0
    arrivals: int = 0
    switched_round: int = 0

    def seen(self, estimate: Tensor, late: Tensor, truth: Tensor, round: int) -> Switch:
        """After the true update (a sketch, as the others) has arrived in a round."""
        scale = truth.norm()
        if scale == 0:
            return self
        e1, e2 = (float((guess - truth).norm() / scale) for guess in (estimate, late))
        share = max(1 - MEMORY, 1 / (self.arrivals + 1))
        after = replace(
            self,
            e1=self.e1 + share * (e1 - self.e1),
            e2=self.e2 + share * (e2 - self.e2),
            arrivals=self.arrivals + 1,
        )
        if not self.switched_round and after.arrivals >= ENOUGH_ARRIVALS and after.e1 > after.e2:
            after = replace(after, switched_round=round)
        return after

    def gamma(self, round: int, window: float) -> float:
        """The weight of the estimate in a round; ``window`` is a share of the rounds before the switch."""
        if not self.switched_round or round < self.switched_round:
            return 1.0
        passed, length = round - self.switched_round, window * self.switched_round
        return max(0.0, 1 - passed / length) if length else 0.0

    def to_tree(self) -> dict[str, Any]:
        """Plain data for a method's state; ``Switch(**tree)`` reads it back."""
        return asdict(self)
