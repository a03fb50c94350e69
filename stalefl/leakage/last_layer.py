"""What the gradient of a model's last linear layer says about the labels it was trained on.

With cross-entropy, the gradient of row k of the last layer [w_k, b_k] is the mean over the samples of (p_k - y_k) e:
p_k the sample's confidence in class k, y_k 1 for its own class and 0 for another, e = [h, 1] its embedding and a one
for the bias. Every function works on such rows, with the bias, if there is one, as a last column.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from stalefl.contracts import Exposure, Model
from stalefl.training.value_range import bounds

PROBES = 64


@dataclass(frozen=True)
class LastLayer:
    """Where the last linear layer lies in a model's flat vector: ``weight`` [K, H] and, from ``bias`` on, [K]."""

    name: str
    shape: tuple[int, int]
    weight: int
    bias: int | None

    @classmethod
    def of(cls, model: Model, classes: int) -> LastLayer | None:
        """The last linear layer with one output per class; None if the model has none."""
        offsets = dict(zip(model.layout.names, model.layout.offsets, strict=True))
        found = None
        for name, module in model.module.named_modules():
            if isinstance(module, nn.Linear) and module.out_features == classes and f"{name}.weight" in offsets:
                shape = (classes, module.in_features)
                found = cls(name, shape, offsets[f"{name}.weight"], offsets.get(f"{name}.bias"))
        return found

    def rows(self, flat: Tensor) -> Tensor:
        """The layer's part of a flat vector [P]: [K, D], D = H + 1 with a bias (the last column) and H without."""
        classes, features = self.shape
        weight = flat[self.weight : self.weight + classes * features].view(classes, features)
        if self.bias is None:
            return weight
        return torch.cat([weight, flat[self.bias : self.bias + classes, None]], dim=1)

    def augmented(self, features: Tensor) -> Tensor:
        """Embeddings [n, D] of the layer's inputs [n, H]."""
        return features if self.bias is None else torch.cat([features, torch.ones_like(features[:, :1])], dim=1)


@dataclass(frozen=True)
class LayerGradient:
    """What was sent of the last layer, in double precision on the CPU; K classes, D columns, the bias last if any.
    Weight decay is taken out of the gradient."""

    gradient: Tensor
    """[K, D], 0 where nothing was sent."""
    sent: Tensor
    """[K, D] bool; what was not sent is unknown, but small."""
    before: Tensor
    """[K, D], the layer when training began."""
    last: Tensor
    """[K, D], the layer at the last step, by what was sent and if all steps were alike; ``before`` if it was the only
    one. So the gradients of all steps were taken on the straight way between the two."""
    has_bias: bool
    samples: int

    @property
    def shows_bias(self) -> bool:
        """Whether a gradient of the bias was sent, for one class at least."""
        return self.has_bias and bool(self.sent[:, -1].any())

    def without_bias(self, columns: Tensor) -> Tensor:
        """[..., D] without the bias's column, if there is one."""
        return columns[..., :-1] if self.has_bias else columns

    @classmethod
    def of(cls, exposure: Exposure) -> LayerGradient:
        """Raises ValueError without a last linear layer: ask ``no_label_gradient`` first."""
        layer = LastLayer.of(exposure.model, exposure.input_spec.classes)
        if layer is None:
            raise ValueError("the model has no last linear layer with one output per class")
        vectors = (exposure.base_weights, exposure.delta, exposure.gradient)
        before, moved, gradient = (layer.rows(flat).double().cpu() for flat in vectors)
        sent = torch.ones_like(gradient, dtype=torch.bool)
        if exposure.sent is not None:
            sent = layer.rows(exposure.sent).cpu()
        steps = exposure.training.steps(exposure.samples)
        last = before + (steps - 1) / steps * moved
        gradient = (gradient - exposure.training.weight_decay * (before + last) / 2) * sent
        return cls(gradient, sent, before, last, layer.bias is not None, exposure.samples)


def no_label_gradient(exposure: Exposure) -> str:
    """Why an attack on the last layer's gradient cannot be made, in a few words; empty where it can."""
    layer = LastLayer.of(exposure.model, exposure.input_spec.classes)
    if layer is None:
        return "the model has no linear layer with one output per class"
    if exposure.sent is not None and not layer.rows(exposure.sent).any():
        return "nothing of the last layer was sent"
    return ""


def unlike_cross_entropy(model: Model, classes: int, delta: Tensor) -> float | None:
    """How far the classes' rows of the last layer are from adding up to nothing in a whole update [P], from 0 to 1: the
    length of their sum as a share of the sum of their lengths. Under cross-entropy each gradient's add up to 0, hence
    so do an SGD client's without weight decay, whatever its data. None where the model has no such layer, or it stood
    still."""
    layer = LastLayer.of(model, classes)
    rows = None if layer is None else layer.rows(delta)
    if rows is None or not rows.any():
        return None
    return float(rows.sum(dim=0).norm() / rows.norm(dim=1).sum())


def label_of_one(layer: LayerGradient) -> int:
    """The class of a single sample (iDLG, Zhao et al., 2020): only its own row has a negative factor p_k - y_k.

    With a bias that factor is the bias gradient. Without one the rows are multiples of one embedding; their factors are
    the gradient's left singular vector up to sign and length, and the true class's is the greatest: it is the sum of
    the others. What is lowest, or greatest, is taken, so that noise leaves an answer too.
    """
    if layer.shows_bias:
        return int(layer.gradient[:, -1].argmin())
    return int(torch.linalg.svd(layer.gradient, full_matrices=False).U[:, 0].abs().argmax())


def row_sums(layer: LayerGradient) -> Tensor:
    """[K], the sum of what was sent of each row of the weights, without the bias (Wainakh et al., PETS 2022)."""
    return layer.without_bias(layer.gradient).sum(dim=1)


def counts_of(shares: Tensor, samples: int, present: Tensor | None = None) -> Tensor:
    """Counts [K] int64 that sum to ``samples``, by largest remainder, in proportion to shares [K] (negative ones count
    as 0, all 0 as equal). Classes known to be ``present`` [K] bool get one at least, those of large shares first.
    """
    shares = normalised(shares)
    least = torch.zeros(len(shares), dtype=torch.int64)
    if present is not None:
        known = present.nonzero().flatten()
        least[known[shares[known].argsort(descending=True, stable=True)][:samples]] = 1
    ideal = shares * samples
    floor = ideal.floor().long().maximum(least)
    while (excess := int(floor.sum()) - samples) > 0:
        spare = torch.where(floor > least, floor - ideal, -torch.inf)
        floor[spare.topk(min(excess, int(spare.isfinite().sum()))).indices] -= 1
    floor[(ideal - floor).argsort(descending=True, stable=True)[: samples - int(floor.sum())]] += 1
    return floor


def normalised(shares: Tensor) -> Tensor:
    """Shares [K] scaled to sum to 1, negative ones as 0; equal where none is positive."""
    positive = shares.double().nan_to_num().clamp_min(0)
    return positive / positive.sum() if positive.sum() > 0 else torch.full_like(positive, 1 / len(positive))


def one_hot_labels(counts: Tensor) -> Tensor:
    """Labels [M, K] float32 of M = sum of counts [K] samples, class after class."""
    return one_hot(torch.arange(len(counts)).repeat_interleave(counts), len(counts)).float()


def noise_embeddings(exposure: Exposure) -> Tensor:
    """[64, D]: what the last layer sees, before training, of inputs of Gaussian noise; for all that needs a scale and
    has no data. Draws from the exposure's generator."""
    layer = LastLayer.of(exposure.model, exposure.input_spec.classes)
    assert layer is not None
    spec = exposure.input_spec
    low, high = bounds(spec)
    inputs = torch.randn((PROBES, *spec.shape), generator=exposure.generator).clamp(low, high)
    features: list[Tensor] = []
    hook = exposure.model.module.get_submodule(layer.name).register_forward_pre_hook(
        lambda module, given: features.append(given[0])
    )
    try:
        exposure.model.forward(exposure.base_weights, exposure.buffers, inputs)
    finally:
        hook.remove()
    return layer.augmented(features[0].double().cpu())
