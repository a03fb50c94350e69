"""idlg: read the label off the last layer's gradient, then find the input alone.

Paper: Zhao, Mopuri, Bilen, "iDLG: Improved Deep Leakage from Gradients", arXiv 2020: with one sample the row of the
true class is the one whose sign differs from the others'.
Deviations: the sign is that of the bias, or without one that of the row's product with the others
(leakage/last_layer.py), so features may have any sign; where no last linear layer is found the label is searched for,
as dlg does; the search is that of dlg with its deviations.
"""

from __future__ import annotations

from collections.abc import Callable

from stalefl.contracts import Attack, Exposure, Leak
from stalefl.leakage.gradient import unlike_gradient
from stalefl.leakage.gradient_matching import MatchingOptions, match_gradient
from stalefl.leakage.label_shares import known_labels


class Idlg(Attack):
    summary = (
        "the label from the last layer's signs, then the input by L-BFGS on the L2 distance of gradients; one sample "
        "only; of several local steps the update counts as one gradient"
    )
    paper = "Zhao, Mopuri, Bilen, iDLG: Improved Deep Leakage from Gradients, 2020"
    Options = MatchingOptions
    options: MatchingOptions

    def unfit(self, exposure: Exposure) -> str:
        if exposure.samples != 1:
            return f"the client trains on {exposure.samples} samples; the label of one only can be read off"
        return unlike_gradient(exposure)

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        return match_gradient(exposure, self.options, known_labels(exposure), on_progress)
