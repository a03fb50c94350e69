"""What the image data sets share: normalisation and what a model is told of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stalefl.contracts import Dataset, InputError, InputSpec, Split


@dataclass(frozen=True)
class Normalise:
    """Raw pixels uint8 [N, C, H, W] -> (raw / greatest - mean) / std, float32, per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    greatest: int = 255

    def __call__(self, raw: Tensor) -> Tensor:
        mean, std = (torch.tensor(v, device=raw.device).view(1, -1, 1, 1) for v in (self.mean, self.std))
        return (raw.float() / self.greatest - mean) / std

    def value_range(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The least and greatest input per channel; computed as inputs are, so that no rounding leaves the range."""
        least, greatest = (
            self(torch.full((1, len(self.mean), 1, 1), v, dtype=torch.uint8)) for v in (0, self.greatest)
        )
        return tuple(least.flatten().tolist()), tuple(greatest.flatten().tolist())


def image_dataset(
    name: str,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    normalise: Normalise,
    class_names: Sequence[str],
) -> Dataset:
    """A data set of (pixels uint8 [N, C, H, W], targets int64 [N]) pairs."""
    shape = tuple(train[0].shape[1:])
    spec = InputSpec(shape, len(class_names), normalise.value_range(), "pixels", tuple(class_names))
    return Dataset(name, Split(*train, normalise), Split(*test, normalise), spec)


def channel_statistics(
    mean: Sequence[float], std: Sequence[float], channels: int, default: float, name: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The options mean and std, one value for all channels or one each. Raises InputError if they do not fit."""
    chosen = []
    for key, values in (("mean", mean), ("std", std)):
        values = tuple(values) or (default,)
        if len(values) not in (1, channels):
            raise InputError(f"{name}: {key} has {len(values)} values; give 1 or {channels}, one per channel")
        chosen.append(values * (channels // len(values)))
    if min(chosen[1]) <= 0:
        raise InputError(f"{name}: std is {list(std)}; give values above 0")
    return chosen[0], chosen[1]
