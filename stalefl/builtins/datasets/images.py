"""What the image data sets share: normalisation, decoding, splitting off a test part."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stalefl.contracts import Dataset, InputError, InputSpec, Split

Pixels = NDArray[np.uint8]


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


def decode_image(content: bytes, mode: Literal["L", "RGB"], size: int) -> Pixels:
    """An encoded image -> [C, H, W]; with ``size`` > 0 resized and centre-cropped to size x size.

    Raises OSError (of which PIL's errors are) or ValueError if it cannot be decoded.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        image = opened if opened.mode == mode else opened.convert(mode)
        if size:
            image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)


def stack_images(images: Iterable[Pixels], count: int, name: str) -> Tensor:
    """uint8 [N, C, H, W] of ``count`` images, filled in place. Raises InputError if they differ in size."""
    stacked: Pixels | None = None
    for position, pixels in enumerate(images):
        if stacked is None:
            stacked = np.empty((count, *pixels.shape), dtype=np.uint8)
        if pixels.shape != stacked.shape[1:]:
            raise InputError(
                f"{name}: images differ in size ({_size(stacked[0])} and {_size(pixels)}); give image_size"
            )
        stacked[position] = pixels
    if stacked is None:
        raise InputError(f"{name}: there are no images")
    return torch.from_numpy(stacked)


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[2]}"
