"""D_rec, the small data set that stands for a client's data: how it starts, how large it is, what its labels are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from stalefl.contracts import InputSpec
from stalefl.training.value_range import bounds

LabelKind = Literal["soft", "hard", "free"]
"""``soft``: the softmax of free logits. ``hard``: one class per sample, the greatest logit (its gradient is that of the
soft label). ``free``: the numbers themselves, as the published code has them; no distribution at all."""

START_NOISE = 0.1
SMALLEST, LARGEST, CLIENT_SAMPLES_PER_SAMPLE = 32, 64, 8


@dataclass(frozen=True)
class DRec:
    """D_rec: ``inputs`` [M, *shape] within the value range, ``label_logits`` [M, K]."""

    inputs: Tensor
    label_logits: Tensor
    label_kind: LabelKind = "soft"

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def labels(self) -> Tensor:
        """Labels [M, K] as the local training sees them."""
        return labels_of(self.label_logits, self.label_kind)


def labels_of(logits: Tensor, kind: LabelKind) -> Tensor:
    """Labels [M, K] of label logits [M, K]; differentiable."""
    if kind == "free":
        return logits
    soft = logits.softmax(dim=1)
    if kind == "soft":
        return soft
    return one_hot(logits.argmax(dim=1), logits.shape[1]) + (soft - soft.detach())


def d_rec_size(samples: int) -> int:
    """The size of D_rec for a client that reports so many samples: an eighth of them, from 32 up to 64.

    Fewer are too few draws from the client's distribution, more cost time and gain little (docs/inversion.md).
    """
    return min(max(round(samples / CLIENT_SAMPLES_PER_SAMPLE), SMALLEST), LARGEST)


def random_data(
    spec: InputSpec, size: int, generator: torch.Generator, device: torch.device, label_kind: LabelKind = "soft"
) -> DRec:
    """A start for D_rec: inputs close to 0, where normalised data have their mean, and labels undecided; both up to a
    little noise, so that the samples can part.

    Inputs spread over the whole value range would start far outside the data: on MNIST the same 100 iterations then
    end with three times the estimation error (docs/inversion.md).
    """
    low, high = bounds(spec)
    inputs = (START_NOISE * torch.randn(size, *spec.shape, generator=generator)).clamp(low, high)
    logits = START_NOISE * torch.randn(size, spec.classes, generator=generator)
    return DRec(inputs.to(device), logits.to(device), label_kind)
