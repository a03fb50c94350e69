"""Digits blended into patches of photos: a second domain of the same digits, for data that drift.

Made as MNIST-M is: Y. Ganin, V. Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", ICML 2015: the absolute
difference |patch - digit|, the patch at a random place of a natural image. Deviations: the patches are grey, so that
inputs have the digits' own shape and a model for one takes the other; they come from the two photos that scikit-learn
brings or from an image data set, not from BSDS500. Patches are 28x28 pixels, resized to the digits' size.

Inputs are normalised as the digits themselves are. The same images come out every time: the places are drawn without
regard to a run's seed.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from stalefl.builtins.datasets.digits import Digits, DigitsOptions
from stalefl.builtins.datasets.images import Normalise, image_dataset
from stalefl.builtins.datasets.vision import Mnist, VisionOptions
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options, Split
from stalefl.data.adapt import resized, with_channels
from stalefl.registry import load_registry
from stalefl.seeds import named_rng
from stalefl.training.value_range import to_unit

PHOTOS = "photos"
PATCH_PIXELS = 28
DIGITS_AT_ONCE = 2000
GREATEST = 255


class DigitsBlendedOptions(Options):
    patches: str = Field(
        PHOTOS, description="where the patches are from: photos (two that come with scikit-learn) or an image data set"
    )


class MnistBlendedOptions(DigitsBlendedOptions):
    patches: str = Field(
        "cifar10", description="where the patches are from: an image data set, or photos (scikit-learn's two)"
    )
    normalise: bool = Field(True, description="as mnist's")


class Blended(DatasetPlugin):
    """What the two have in common."""

    name: ClassVar[str]
    options: DigitsBlendedOptions

    def digits(self, context: DataContext) -> Dataset:
        raise NotImplementedError

    def load(self, context: DataContext) -> Dataset:
        digits = self.digits(context)
        photos = _photos(self.options.patches, context)
        parts = {}
        for part, split in (("train", digits.train), ("test", digits.test)):
            rng = named_rng(0, f"{self.name}-{part}")
            parts[part] = _blended(split, photos, digits, rng), split.targets
        normalise = digits.train.to_model
        assert isinstance(normalise, Normalise)
        names = digits.spec.class_names
        return image_dataset(
            self.name, parts["train"], parts["test"], Normalise(normalise.mean, normalise.std, GREATEST), names
        )


class DigitsBlended(Blended):
    summary = "the data set digits blended into patches of photos, 8x8: 1,400 training and 397 test samples"
    paper = "after MNIST-M: Ganin and Lempitsky, ICML 2015"
    Options = DigitsBlendedOptions
    name = "digits-blended"

    def digits(self, context: DataContext) -> Dataset:
        return Digits(DigitsOptions()).load(context)


class MnistBlended(Blended):
    summary = "MNIST blended into grey patches of photos, 28x28: 60,000 training and 10,000 test samples"
    paper = "after MNIST-M: Ganin and Lempitsky, ICML 2015"
    Options = MnistBlendedOptions
    options: MnistBlendedOptions
    name = "mnist-blended"

    def digits(self, context: DataContext) -> Dataset:
        return Mnist(VisionOptions(normalise=self.options.normalise)).load(context)


def _photos(source: str, context: DataContext) -> Split:
    """Photos whose ``to_model`` gives them grey, in 0..1, as [n, 1, H, W]."""
    if source == PHOTOS:
        from sklearn.datasets import load_sample_images

        pixels = torch.from_numpy(np.stack(load_sample_images().images)).permute(0, 3, 1, 2)
        return Split(pixels, torch.zeros(len(pixels), dtype=torch.int64), lambda raw: with_channels(raw / 255, 1))
    try:
        dataset = load_registry().create("dataset", source, {}).load(context)
    except InputError as error:
        raise InputError(f"patches = {source}: {error}; or take them from two photos: patches = {PHOTOS}") from error
    spec, to_model = dataset.spec, dataset.train.to_model
    images = spec.space == "pixels" and len(spec.shape) == 3 and spec.shape[0] in (1, 3)
    if not images or min(spec.shape[1:]) < PATCH_PIXELS:
        raise InputError(f"patches = {source}: not valid; valid: images of {PATCH_PIXELS}x{PATCH_PIXELS} or more")
    return Split(dataset.train.raw, dataset.train.targets, lambda raw: with_channels(to_unit(to_model(raw), spec), 1))


def _blended(digits: Split, photos: Split, like: Dataset, rng: np.random.Generator) -> Tensor:
    """uint8 [N, 1, H, W]; every digit gets a photo and a place in it of its own."""
    chosen = torch.from_numpy(rng.integers(len(photos), size=len(digits)))
    places = rng.random((len(digits), 2))
    blended = []
    for start in range(0, len(digits), DIGITS_AT_ONCE):
        part = slice(start, start + DIGITS_AT_ONCE)
        ink = to_unit(digits.to_model(digits.raw[part]), like.spec)
        patches = resized(_patches(photos, chosen[part], places[part]), like.spec.shape[1:])
        blended.append(((patches - ink).abs() * GREATEST).round().to(torch.uint8))
    return torch.cat(blended)


def _patches(photos: Split, chosen: Tensor, places: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Tensor:
    """The patch [1, 28, 28] at each place (0..1 down and across) of the chosen photos, as [n, 1, 28, 28]."""
    names, of = chosen.unique(return_inverse=True)
    grey = photos.to_model(photos.raw[names])
    rows, columns = (
        torch.from_numpy((places[:, axis] * (grey.shape[2 + axis] - PATCH_PIXELS + 1)).astype(np.int64))
        for axis in (0, 1)
    )
    within = torch.arange(PATCH_PIXELS)
    patches: Tensor = grey[of[:, None, None], 0, rows[:, None, None] + within[:, None], columns[:, None, None] + within]
    return patches.unsqueeze(1)
