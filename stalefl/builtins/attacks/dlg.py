"""dlg: find inputs and soft labels together whose gradient is the observed one.

Paper: Zhu, Liu, Han, "Deep Leakage from Gradients", NeurIPS 2019: L2 distance of the gradients, L-BFGS, labels as
the softmax of free logits.
Deviations, all to find more, and options: inputs start near the data's mean and stay within the value range (paper:
Gaussian noise, no bounds); a total variation guides the search and fades over seven stages
(leakage/gradient_matching.py; the paper has none); the distance is divided by the gradient's own square; only entries
that were sent are compared; float64; the search stops at the distance that rounding the update to float32 leaves.
``tv = 0``, ``box = false``, ``start_noise = 1`` is the paper's own.
"""

from __future__ import annotations

from collections.abc import Callable

from stalefl.contracts import Attack, Exposure, Leak
from stalefl.leakage.gradient import unlike_gradient
from stalefl.leakage.gradient_matching import MatchingOptions, match_gradient


class Dlg(Attack):
    summary = (
        "inputs and soft labels together, by L-BFGS on the L2 distance of gradients; of several local steps the update "
        "counts as one gradient"
    )
    paper = "Zhu, Liu, Han, Deep Leakage from Gradients, NeurIPS 2019"
    Options = MatchingOptions
    options: MatchingOptions

    def unfit(self, exposure: Exposure) -> str:
        return unlike_gradient(exposure)

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        return match_gradient(exposure, self.options, None, on_progress)
