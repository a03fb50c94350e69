"""Image folders in torchvision's layout, such as the paper's disaster images.

Either ``DIR/train/<class>/*.jpg`` and ``DIR/test/<class>/*.jpg``, or ``DIR/<class>/*.jpg``, of which a fixed share of
every class becomes the test split.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from stalefl.builtins.datasets.images import (
    Normalise,
    Pixels,
    channel_statistics,
    decode_image,
    image_dataset,
    stack_images,
)
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options
from stalefl.data.sources import find_source, split_off_test

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageFolderOptions(Options):
    source: str = Field("", description="the folder; a relative one is also looked up in the data folder")
    image_size: int = Field(224, ge=1, le=4096, description="images are resized and centre-cropped to this many pixels")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of every class kept for testing, without test/")
    mean: tuple[float, ...] = Field(IMAGENET_MEAN, strict=False, description="channel means (default: ImageNet's)")
    std: tuple[float, ...] = Field(IMAGENET_STD, strict=False, description="channel deviations (default: ImageNet's)")


class ImageFolder(DatasetPlugin):
    summary = "a folder of images, one subfolder per class; imagefolder:DIR"
    paper = "e.g. Mouzannar, Rizk, Awad, Damage Identification in Social Media Posts (MDI), ISCRAM 2018"
    Options = ImageFolderOptions
    options: ImageFolderOptions

    def load(self, context: DataContext) -> Dataset:
        options = self.options
        folder = find_source(options.source, context.data_dir)
        name = f"imagefolder:{options.source}"
        if folder is None or not folder.is_dir():
            raise InputError(f"{name}: no folder {options.source!r}, neither as given nor in {context.data_dir}")
        mean, std = channel_statistics(options.mean, options.std, 3, 0.5, name)
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            classes, pixels, targets = self._read(folder / "train", name)
            test_classes, test_pixels, test_targets = self._read(folder / "test", name)
            if classes != test_classes:
                raise InputError(f"{name}: train/ has the classes {classes}, test/ has {test_classes}")
            train, test = (pixels, targets), (test_pixels, test_targets)
        else:
            classes, pixels, targets = self._read(folder, name)
            train, test = (
                (pixels[part], targets[part]) for part in split_off_test(targets, options.test_fraction, name)
            )
        return image_dataset(name, train, test, Normalise(mean, std), classes)

    def _read(self, folder: Path, name: str) -> tuple[list[str], Tensor, Tensor]:
        from torchvision.datasets import ImageFolder as Listing

        try:
            listing = Listing(str(folder))
        except OSError as error:
            raise InputError(f"{name}: {folder} is not a folder of class folders with images: {error}") from error
        images = (self._decode(Path(path)) for path, _ in listing.samples)
        return listing.classes, stack_images(images, len(listing), name), torch.tensor(listing.targets)

    def _decode(self, path: Path) -> Pixels:
        try:
            return decode_image(path.read_bytes(), "RGB", self.options.image_size)
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"{path} cannot be decoded: {error}") from error
