"""How many samples of each class, from the last layer's gradient and the model's own confidences.

The mean error of the confidences, d_k = mean_i p_i[k] - n_k / N, is the bias gradient; it is also the factor of the
weights' row k on the samples' embeddings. Known p would give the counts n_k. Where the model is still unsure, p follows
from the gradient itself: the rows tell the classes' mean embeddings, the layer's weights their confidences. Where it is
sure, p varies from sample to sample, and the gradient shows the hard samples only: then the errors alone are divided.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from stalefl.contracts import Exposure
from stalefl.leakage.last_layer import (
    LayerGradient,
    counts_of,
    label_of_one,
    no_label_gradient,
    noise_embeddings,
    normalised,
    one_hot_labels,
)

LOGIT_SPREAD = 0.1
"""The variance of the logits at which the solved shares weigh 1/e. Measured on LeNet: about 0.01 before training, 0.1
in 20 steps from there, 5 and more in a model that has learned."""

ALIKE = 1e-4
"""Below this share of the gradient's energy outside one rank all samples count as alike, however much logits vary."""

POOLING = 0.1
"""How much a class's embedding is drawn to the common one, as a share of the mean squared error of confidence."""

SIMPSON = ((0.0, 1 / 6), (0.5, 4 / 6), (1.0, 1 / 6))

CERTAIN = 10.0
"""Weight of the equation that the shares sum to 1, beside 1 for each of the others."""

SHORTEST_BIAS = 0.02
"""Least share of the bias in an embedding; with less, noise on the bias would make the features endlessly long."""

TINY = 1e-12


class Errors(NamedTuple):
    """``mean`` [K], the mean error of the confidences, and its variance [K] by the noise on what was sent."""

    mean: Tensor
    variance: Tensor

    @property
    def surely_present(self) -> Tensor:
        """[K] bool, the classes whose confidence was too small on average: without a sample it would be too large."""
        return self.mean < -2 * self.variance.sqrt()


def label_counts(exposure: Exposure) -> Tensor:
    """Counts [K] int64 of the classes, which sum to the samples. Draws from the exposure's generator only where no
    gradient of a bias was sent, for the length of an embedding. Where ``no_label_gradient`` says nothing."""
    layer = LayerGradient.of(exposure)
    typical = None if layer.shows_bias else noise_embeddings(exposure).mean(dim=0)
    errors = confidence_errors(layer, common_embedding(layer, typical))
    return counts_of(label_shares(layer, errors), layer.samples, errors.surely_present)


def known_labels(exposure: Exposure) -> Tensor | None:
    """Labels [samples, K], one-hot, class after class, as the last layer tells them; None where it tells nothing."""
    if no_label_gradient(exposure):
        return None
    if exposure.samples == 1:
        counts = one_hot(torch.tensor(label_of_one(LayerGradient.of(exposure))), exposure.input_spec.classes)
    else:
        counts = label_counts(exposure)
    return one_hot_labels(counts).to(exposure.model.device)


def label_shares(layer: LayerGradient, errors: Errors) -> Tensor:
    """The classes' shares [K] of the samples, which sum to 1."""
    embeddings = class_embeddings(layer, errors.mean)
    solved = normalised(solved_shares(mean_confidences(layer, embeddings), errors.mean))
    variety = logit_variance(layer, embeddings, errors.mean) * min(1.0, off_rank_one(layer) / ALIKE)
    unsure = torch.exp(-variety / LOGIT_SPREAD)
    return unsure * solved + (1 - unsure) * normalised(-errors.mean)


def noise_variance(layer: LayerGradient) -> float:
    """The variance of noise on the gradient's entries: without it every column sums to 0, as confidences sum to 1.

    Judged by the columns that were sent whole. Where there are none, by all: what was not sent counts as noise then.
    """
    whole = layer.sent.all(dim=0)
    columns = whole if whole.any() else torch.ones_like(whole)
    entries = layer.sent[:, columns].sum().clamp_min(1)
    return float(layer.gradient[:, columns].sum(dim=0).square().sum() / entries)


def common_embedding(layer: LayerGradient, typical: Tensor | None = None) -> Tensor:
    """The embedding [D] of which the rows are nearly multiples: its features by their first singular vector.

    A row of equal entries, as large as the noise, is put beside them: rectified features are all positive.
    The bias gradient, a multiple too, tells length (by total least squares, as both are noisy) and sign; where none
    was sent, a ``typical`` embedding [D] does.
    """
    rows = layer.without_bias(layer.gradient)
    guess = torch.full_like(rows[:1], (len(rows) * noise_variance(layer)) ** 0.5)
    direction = torch.linalg.svd(torch.cat([rows, guess]), full_matrices=False).Vh[0]
    if typical is not None:
        features = layer.without_bias(typical)
        length = features.norm() * (-1 if direction @ features < 0 else 1)
        return torch.cat([direction * length, typical[len(features) :]])
    pairs = torch.stack([rows @ direction, layer.gradient[:, -1]], dim=1)[layer.sent[:, -1]]
    of_row, of_bias = torch.linalg.svd(pairs, full_matrices=False).Vh[0].abs()
    length = of_row / of_bias.clamp_min(SHORTEST_BIAS)
    agreement = pairs.prod(dim=1).sum() + (guess[0] @ direction) * guess[0, 0]
    return torch.cat([direction * length * (-1 if agreement < 0 else 1), torch.ones(1, dtype=direction.dtype)])


def confidence_errors(layer: LayerGradient, embedding: Tensor) -> Errors:
    """The errors of the bias gradient and of the rows' projections on the common ``embedding`` [D], each weighted by
    its precision: noise, and for the rows how far they are off where both are known."""
    noise = noise_variance(layer)
    rows, rows_variance = _projected(
        layer.without_bias(layer.gradient), layer.without_bias(layer.sent), layer.without_bias(embedding), noise
    )
    if not layer.shows_bias:
        return Errors(rows, rows_variance)
    bias, sent = layer.gradient[:, -1], layer.sent[:, -1]
    misfit = ((rows - bias).square() - rows_variance)[sent].mean() - noise
    bias_weight = sent / (noise + TINY)
    rows_weight = 1 / (rows_variance + misfit.clamp_min(0) + TINY)
    weight = bias_weight + rows_weight
    return Errors((bias_weight * bias + rows_weight * rows) / weight, 1 / weight)


def _projected(rows: Tensor, sent: Tensor, embedding: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """Least squares factors [K] of the rows [K, H] on one embedding [H], and their variance by noise. What was not
    sent counts as 0: it is small, or it would have been sent, and what was sent of such a row is its largest part."""
    squares = embedding.square()
    length = squares.sum().clamp_min(TINY)
    return rows @ embedding / length, noise * (sent * squares).sum(dim=1) / length.square()


def class_embeddings(layer: LayerGradient, errors: Tensor) -> Tensor:
    """Mean embeddings [K, D] of the classes: row k over its error [K], drawn to the embedding that all rows share
    where the error is small or the noise large."""
    squares = errors.square()[:, None]
    products = layer.gradient * errors[:, None]
    common = products.sum(dim=0) / (layer.sent * squares).sum(dim=0).clamp_min(TINY)
    scale = layer.without_bias(common).square().mean().clamp_min(TINY)
    pull = POOLING * squares.mean() + noise_variance(layer) / scale
    found = (products + pull * common) / (layer.sent * squares + pull).clamp_min(TINY)
    if layer.has_bias:
        found[:, -1] = 1
    return found


def mean_confidences(layer: LayerGradient, embeddings: Tensor) -> Tensor:
    """[K, K], the confidence of embedding j [K, D] in class k, on average on the straight way from the layer's
    weights at the first step to those at the last (Simpson's rule)."""
    way = layer.last - layer.before
    return sum(
        (share * (embeddings @ (layer.before + time * way).T).softmax(dim=1) for time, share in SIMPSON),
        torch.zeros(()),
    )


def off_rank_one(layer: LayerGradient) -> float:
    """The share of the gradient's energy outside its first singular vector: 0 if all samples have one embedding."""
    energies = torch.linalg.svdvals(layer.gradient).square()
    return float(1 - energies[0] / energies.sum().clamp_min(TINY))


def logit_variance(layer: LayerGradient, embeddings: Tensor, errors: Tensor) -> Tensor:
    """The variance over the classes of the logits of the embeddings [K, D] halfway, weighted by size of error [K]."""
    logits = embeddings @ ((layer.before + layer.last) / 2).T
    weights = errors.abs() / errors.abs().sum().clamp_min(TINY)
    return (logits.var(dim=1, correction=0) * weights).sum()


def solved_shares(confidences: Tensor, errors: Tensor) -> Tensor:
    """Shares s [K] of at least 0 with sum_j s_j P[j, k] - s_k = d_k and sum 1, by least squares.

    ``confidences`` P [K, K] has a row per class of sample, ``errors`` d [K]. Classes that come out negative are taken
    out and the rest is solved again. The sum weighs more than the other equations, being certain.
    """
    classes = len(errors)
    sides = torch.cat([confidences.T - torch.eye(classes), torch.full((1, classes), CERTAIN)])
    given = torch.cat([errors, torch.full((1,), CERTAIN)])
    free = torch.ones(classes, dtype=torch.bool)
    while True:
        shares = torch.zeros(classes, dtype=errors.dtype)
        shares[free] = torch.linalg.lstsq(sides[:, free], given[:, None], driver="gelsd").solution[:, 0]
        if shares.min() >= 0 or int(free.sum()) == 1:
            return shares.clamp_min(0)
        free &= shares >= 0
