"""LLG: labels from the sums of the last layer's gradient rows.

Paper: Wainakh et al., "User-Level Label Leakage from Gradients in Federated Learning", PETS 2022. A row's sum falls by
about the same impact m with every sample of its class; s_k is what it would be without any. Every class whose sum is
negative has a sample; the others are handed out one by one, to the row that is lowest after subtracting s and m per
sample.
``shared``: m is the sum of the negative rows over N, times 1 + 1/K, and s is 0 (the paper's attack on gradients alone).
``noise``: m and s from the model's answer to inputs of noise (its LLG*, with the model).
Deviations: entries that were not sent add nothing; of several local steps the mean gradient is attacked; the noise is
one batch of Gaussian inputs, of which m and s follow for all classes without a backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from stalefl.contracts import Attack, Exposure, Leak, Options
from stalefl.leakage.last_layer import LayerGradient, no_label_gradient, noise_embeddings, one_hot_labels, row_sums


class LlgOptions(Options):
    impact: Literal["shared", "noise"] = Field(
        "shared", description="what one sample adds to its row: from the gradient itself, or from inputs of noise"
    )


class Llg(Attack):
    summary = "labels by repeated subtraction from the row sums of the last layer's gradient"
    paper = "Wainakh et al., User-Level Label Leakage from Gradients in Federated Learning, PETS 2022"
    Options = LlgOptions
    options: LlgOptions
    draws = False

    def unfit(self, exposure: Exposure) -> str:
        return no_label_gradient(exposure)

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        layer = LayerGradient.of(exposure)
        sums = row_sums(layer)
        if self.options.impact == "shared":
            impact, offset = shared_impact(sums, layer.samples), torch.zeros_like(sums)
        else:
            impact, offset = noise_impact(noise_embeddings(exposure), layer)
        on_progress(1.0)
        return Leak(one_hot_labels(subtracted_counts(sums, impact, offset, layer.samples)))


def shared_impact(sums: Tensor, samples: int) -> float:
    """m of the row sums [K] alone; 0 where none is negative."""
    return float(sums.clamp_max(0).sum()) / samples * (1 + 1 / len(sums))


def noise_impact(embeddings: Tensor, layer: LayerGradient) -> tuple[float, Tensor]:
    """m, and s [K], from what the model makes of noise [n, D]: a sample's row sums are (p_k - y_k) times the sum of
    its embedding."""
    confidences = (embeddings @ layer.before.T).softmax(dim=1)
    lengths = layer.without_bias(embeddings).sum(dim=1, keepdim=True)
    classes = confidences.shape[1]
    own = float(((confidences - 1) * lengths).mean()) / layer.samples
    return own * (1 + 1 / classes), (confidences * lengths).mean(dim=0)


def subtracted_counts(sums: Tensor, impact: float, offset: Tensor, samples: int) -> Tensor:
    """Counts [K] that sum to ``samples``, from row sums [K], one sample's impact and the offset [K] without samples."""
    counts = torch.zeros(len(sums), dtype=torch.int64)
    counts[[k for k in sums.argsort().tolist() if sums[k] < 0][:samples]] = 1
    impact = impact if impact < 0 else -1.0
    left = sums - offset - counts * impact
    for _ in range(samples - int(counts.sum())):
        lowest = int(left.argmin())
        counts[lowest] += 1
        left[lowest] -= impact
    return counts
