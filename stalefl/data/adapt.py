"""Samples of one data set as a model of another takes them: the same shape, channels and normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from stalefl.contracts import Dataset, InputError, InputSpec, Split
from stalefl.training.value_range import UnitRange, to_unit

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in grey (ITU-R BT.601)."""


def adapted(dataset: Dataset, spec: InputSpec, like: str) -> Dataset:
    """``dataset`` with inputs as ``spec`` has them, which is that of the data set ``like``.

    Images are brought to the range 0..1, made grey or repeated over the channels, resized (bilinear, without aliasing,
    to the shape, whatever the proportions) and normalised as ``like`` is. Inputs of other kinds are taken as they are
    and must have the same shape and range. Raises InputError for another number of classes, or what cannot be adapted.
    """
    found = dataset.spec
    if found.classes != spec.classes:
        raise InputError(
            f"{dataset.name} has {found.classes} classes, {like} has {spec.classes}; valid: as many, meaning the same"
        )
    images = found.space == spec.space == "pixels" and len(found.shape) == len(spec.shape) == 3
    if not images and _kind(found) != _kind(spec):
        raise InputError(f"inputs of {dataset.name} do not fit {like}; valid: images, or the same shape and range")
    if images and found.shape[0] != spec.shape[0] and {found.shape[0], spec.shape[0]} != {1, 3}:
        raise InputError(
            f"{dataset.name} has {found.shape[0]} channels, {like} {spec.shape[0]}; valid: as many, or 1 and 3"
        )
    parts = [dataset.train, dataset.test]
    if images:
        parts = [Split(part.raw, part.targets, ImagesLike(part.to_model, found, spec)) for part in parts]
    return Dataset(dataset.name, parts[0], parts[1], spec)


@dataclass(frozen=True)
class ImagesLike:
    """Raw images -> model inputs of ``found``'s data set, as float32 [n, *wanted.shape] in ``wanted``'s range."""

    to_model: Callable[[Tensor], Tensor]
    found: InputSpec
    wanted: InputSpec

    def __call__(self, raw: Tensor) -> Tensor:
        images = with_channels(to_unit(self.to_model(raw), self.found), self.wanted.shape[0])
        images = resized(images, self.wanted.shape[1:])
        return UnitRange.of(self.wanted, images.device).to_inputs(images)


def with_channels(images: Tensor, channels: int) -> Tensor:
    """Images [n, C, H, W] with one channel (their luma) or with three (repeated)."""
    if images.shape[1] == channels:
        return images
    if channels == 1:
        weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
        return (images * weights).sum(dim=1, keepdim=True)
    return images.expand(-1, channels, -1, -1)


def resized(images: Tensor, size: tuple[int, ...]) -> Tensor:
    """Images [n, C, *size]."""
    if tuple(images.shape[2:]) == tuple(size):
        return images
    return interpolate(images, size=tuple(size), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def _kind(spec: InputSpec) -> tuple[object, ...]:
    """What two data sets have in common whose inputs mean the same: of tokens also what they stand for."""
    return spec.space, spec.shape, spec.value_range, spec.tokens
