"""Counts of the labels, from the last layer's gradient and the model's confidences.

Papers: the counts follow from mean confidences and mean errors, and the mean confidences from embeddings that the
gradient's rows give away, as in Ma et al., "Instance-wise Batch Label Restoration via Gradients in Federated Learning"
(iLRG), ICLR 2023, and Geng et al., "Towards General Deep Leakage in Federated Learning", 2021. For one sample the
label is that of Zhao et al., "iDLG: Improved Deep Leakage from Gradients", 2020.
Deviations: a class's embedding is drawn to the one common to all rows, as a row over a small error is no mean of
anything; shares are not negative; where the logits of the embeddings vary much, the negative errors alone are divided
(the confidence of hard samples, which make the gradient, is not that of the class); a class of negative error gets one
sample at least, as in LLG (Wainakh et al., PETS 2022). The errors are read off the bias and the weights together,
each by its precision under the noise that the columns' sums betray; so a bias that was not sent, or is not there, does
not stop the attack. Of several local steps the mean gradient is attacked, with confidences averaged over the way of the
last layer. The attack goes by the gradient's scale: clipping deceives it (LLG it does not), and so does Adam.
"""

from __future__ import annotations

from collections.abc import Callable

from stalefl.contracts import Attack, Exposure, Leak
from stalefl.leakage.label_shares import label_counts
from stalefl.leakage.last_layer import no_label_gradient, one_hot_labels


class LabelCounts(Attack):
    summary = "labels by solving the last layer's gradient for the counts of the classes"
    paper = "Ma et al., Instance-wise Batch Label Restoration via Gradients in Federated Learning, ICLR 2023"
    draws = False

    def unfit(self, exposure: Exposure) -> str:
        return no_label_gradient(exposure)

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        return Leak(one_hot_labels(label_counts(exposure)))
