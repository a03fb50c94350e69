"""How good a model is: overall and per class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from stalefl.contracts import InputError, Split

if TYPE_CHECKING:
    from stalefl.training.model import FlatModel


@dataclass(frozen=True)
class Evaluation:
    """Figures over one split. A sample whose logits hold NaN has no prediction: it is wrong, and in no column."""

    accuracy: float
    """In 0..1."""
    per_class_accuracy: list[float | None]
    """[K], in 0..1; None for a class without samples."""
    confusion: Tensor
    """[K, K] int64, rows the true class, columns the predicted one."""
    loss: float
    """Mean cross entropy; NaN for a model that diverged."""


def evaluate(
    model: FlatModel, weights: Tensor, buffers: Mapping[str, Tensor], split: Split, batch_size: int = 1000
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
    )


def _logits(
    model: FlatModel, weights: Tensor, buffers: Mapping[str, Tensor], split: Split, start: int, batch_size: int
) -> Tensor:
    """Logits [n, K], on the CPU, of the batch that begins at ``start``."""
    inputs, _ = split.take(torch.arange(start, min(start + batch_size, len(split))))
    return model.forward(weights, buffers, inputs).cpu()


def _confusion(logits: Tensor, targets: Tensor) -> Tensor:
    classes = logits.shape[1]
    predicted = ~logits.isnan().any(dim=1)
    cells = targets[predicted] * classes + logits[predicted].argmax(dim=1)
    return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)
