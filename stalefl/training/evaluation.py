"""How good a model is: overall and per class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from stalefl.contracts import InputError, Split

if TYPE_CHECKING:
    from stalefl.contracts import Model


@dataclass(frozen=True)
class Evaluation:
    """Figures over one split. A sample whose logits hold NaN has no prediction: it is wrong, and in no column."""

    accuracy: float
    """In 0..1."""
    per_class_accuracy: list[float | None]
    """[K], in 0..1; None for a class without samples."""
    confusion: Tensor
    """[K, K] int64, rows the true class, columns the predicted one; expected values (float) in a mixture."""
    loss: float
    """Mean cross entropy; NaN for a model that diverged."""
    per_class_loss: tuple[float, ...] = ()
    """[K], mean cross entropy; NaN for a class without samples."""
    samples: tuple[int, ...] = ()
    """[K], of each class."""


def evaluate(
    model: Model, weights: Tensor, buffers: Mapping[str, Tensor], split: Split, batch_size: int = 1000
) -> Evaluation:
    """Evaluate ``weights`` [P] on all samples of ``split``. Raises InputError if there are none."""
    if len(split) == 0:
        raise InputError("the test split is empty; valid: a data set with at least one test sample")
    starts = range(0, len(split), batch_size)
    logits = torch.cat([_logits(model, weights, buffers, split, start, batch_size) for start in starts])
    targets = split.targets.cpu()
    classes = logits.shape[1]
    confusion = _confusion(logits, targets)
    correct = confusion.diagonal().tolist()
    samples = torch.bincount(targets, minlength=classes).tolist()
    return Evaluation(
        accuracy=sum(correct) / len(split),
        per_class_accuracy=[c / n if n else None for c, n in zip(correct, samples, strict=True)],
        confusion=confusion,
        loss=functional.cross_entropy(logits, targets).item(),
        per_class_loss=_per_class_loss(logits, targets, samples),
        samples=tuple(samples),
    )


def mixture(one: Evaluation, other: Evaluation, shares: Sequence[float]) -> Evaluation:
    """What is to be expected where of each class's samples the share ``shares`` [K] is as ``other``'s, the rest as
    ``one``'s. Classes keep the weight they have in ``one``; a class with a share must have samples in ``other``."""
    if not any(shares):
        return one

    def mixed(pairs: Iterable[tuple[float | None, float | None]]) -> list[float | None]:
        return [
            None if not n else a if not s else (1 - s) * (a or 0.0) + s * (b or 0.0)
            for n, s, (a, b) in zip(one.samples, shares, pairs, strict=True)
        ]

    def mean(values: Iterable[float | None]) -> float:
        total = sum(n * value for n, value in zip(one.samples, values, strict=True) if value is not None)
        return total / sum(one.samples)

    accuracies = mixed(zip(one.per_class_accuracy, other.per_class_accuracy, strict=True))
    losses = mixed(zip(one.per_class_loss, other.per_class_loss, strict=True))
    of_class, scale = torch.tensor(shares).view(-1, 1), torch.tensor(one.samples) / torch.tensor(other.samples).clamp(1)
    return Evaluation(
        accuracy=mean(accuracies),
        per_class_accuracy=accuracies,
        confusion=(1 - of_class) * one.confusion + of_class * scale.view(-1, 1) * other.confusion,
        loss=mean(losses),
        per_class_loss=tuple(math.nan if loss is None else loss for loss in losses),
        samples=one.samples,
    )


def _per_class_loss(logits: Tensor, targets: Tensor, samples: Sequence[int]) -> tuple[float, ...]:
    sums = torch.zeros(len(samples), dtype=torch.float64)
    sums.index_add_(0, targets, functional.cross_entropy(logits, targets, reduction="none").double())
    return tuple(total / n if n else math.nan for total, n in zip(sums.tolist(), samples, strict=True))


def _logits(
    model: Model, weights: Tensor, buffers: Mapping[str, Tensor], split: Split, start: int, batch_size: int
) -> Tensor:
    """Logits [n, K], on the CPU, of the batch that begins at ``start``."""
    inputs, _ = split.take(torch.arange(start, min(start + batch_size, len(split))))
    return model.forward(weights, buffers, inputs).cpu()


def _confusion(logits: Tensor, targets: Tensor) -> Tensor:
    classes = logits.shape[1]
    predicted = ~logits.isnan().any(dim=1)
    cells = targets[predicted] * classes + logits[predicted].argmax(dim=1)
    return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)
