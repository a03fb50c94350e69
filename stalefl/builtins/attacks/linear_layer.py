"""linear-layer: read inputs off the gradient of a first linear layer; nothing is searched for.

Paper: Phong et al., "Privacy-Preserving Deep Learning via Additively Homomorphic Encryption", IEEE TIFS 2018: a unit's
weights have the gradient g x and its bias g, so that their quotient is x, exactly, for a client with one sample.
Geiping et al., NeurIPS 2020, Prop. 3.1.
Deviations: one sample is the least-squares quotient over all units, which rounding, noise and missing entries disturb
least. Of several samples a unit shows the one that alone activates it, others a mixture: quotients that several units
agree on come first, then those of the strongest units. Labels are fitted to the gradient, given the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from stalefl.contracts import Attack, Exposure, Leak
from stalefl.leakage.gradient import SentGradient, unit_range, unlike_gradient
from stalefl.leakage.lbfgs import minimise

AGREE, ALIKE = 0.001, 0.03
"""Root mean square differences, as shares of the value range, below which two quotients confirm each other, and below
which they would show the same sample twice."""
LABEL_ITERATIONS = 100


class LinearLayer(Attack):
    summary = "inputs read off the first layer's gradient, where that is linear with a bias: one sample exactly"
    paper = "Phong et al., Privacy-Preserving Deep Learning via Additively Homomorphic Encryption, IEEE TIFS 2018"
    draws = False

    def unfit(self, exposure: Exposure) -> str:
        first = next((m for m in exposure.model.module.modules() if list(m.parameters(recurse=False))), None)
        size = math.prod(exposure.input_spec.shape)
        if not isinstance(first, nn.Linear) or first.bias is None or first.in_features != size:
            return "the model's first layer is not linear with a bias on whole inputs"
        return unlike_gradient(exposure)

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        gradient = SentGradient.of(exposure, "all").target
        weights, bias = exposure.model.layout.split(gradient)[:2]
        scale = unit_range(exposure)
        units = [weights] if exposure.samples == 1 else [row[None] for row in weights]
        biases = [bias] if exposure.samples == 1 else list(bias[:, None])
        quotients = torch.stack([quotient(*pair) for pair in zip(units, biases, strict=True)])
        flat = scale.unclipped(quotients.view(-1, *exposure.input_spec.shape)).flatten(1)
        strength = torch.stack([b.abs().sum() for b in biases])
        unit = flat[surest(flat, strength, exposure.samples)].view(-1, *exposure.input_spec.shape)
        inputs = scale.finished(unit)
        on_progress(0.5)
        labels, distance, iterations = fitted_labels(exposure, inputs)
        on_progress(1.0)
        return Leak(labels, inputs, distance, iterations)


def quotient(weights: Tensor, bias: Tensor) -> Tensor:
    """x [D] with the least square of weights [H, D] - bias [H] x, over the entries that are not 0; 0 without any."""
    told = bias[:, None] * (weights != 0)
    scale = told.square().sum(dim=0)
    return (told * weights).sum(dim=0) / torch.where(scale > 0, scale, 1.0)


def surest(found: Tensor, strength: Tensor, samples: int) -> list[int]:
    """Which of the quotients found [H, D], on the unit scale, to believe: of those that are alike one, those
    within the value range before others, by how many agree, then by the strength [H] of their unit. At least one."""
    apart = torch.cdist(found, found, compute_mode="donot_use_mm_for_euclid_dist") / found.shape[1] ** 0.5
    told = strength > 0
    sureness = ((apart < AGREE) & told).sum(dim=1) + strength / (strength.max() + 1e-300)
    outside = ((found < -ALIKE) | (found > 1 + ALIKE)).any(dim=1)
    sureness = sureness - len(found) * (outside + 2.0 * ~told)
    chosen: list[int] = []
    for candidate in sureness.argsort(descending=True, stable=True).tolist():
        if len(chosen) < samples and not (apart[candidate, chosen] < ALIKE).any() and (told[candidate] or not chosen):
            chosen.append(candidate)
    return chosen


def fitted_labels(exposure: Exposure, inputs: Tensor) -> tuple[Tensor, float, int]:
    """Labels [M, K] with which the inputs [M, *shape] explain the gradient best, its distance, and the iterations."""
    sent, shape = SentGradient.of(exposure), (len(inputs), exposure.input_spec.classes)
    inputs, start = inputs.to(sent.target), sent.target.new_zeros(math.prod(shape))

    def distance(logits: Tensor) -> Tensor:
        return sent.distance(inputs, logits.view(shape).softmax(dim=1))

    found = minimise(distance, start, [(None, None)] * start.numel(), iterations=LABEL_ITERATIONS, history=20)
    return found.point.view(shape).softmax(dim=1).float(), distance(found.point).item(), found.iterations
