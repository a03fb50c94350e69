"""The image data sets of the paper, from files in torchvision's layout; torchvision also fetches them.

Channel means and standard deviations are those of the training pixels scaled to 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from stalefl.builtins.datasets.idx import find_idx, read_idx
from stalefl.builtins.datasets.images import Normalise, image_dataset
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options
from stalefl.data.sources import downloading

Samples = tuple[Tensor, Tensor]
"""Pixels uint8 [N, C, H, W] and targets int64 [N]."""


class VisionOptions(Options):
    normalise: bool = Field(True, description="subtract the channel means and divide by the deviations; false: 0..1")


class Vision(DatasetPlugin):
    """What the four have in common: find the files or fetch them, read both splits, normalise."""

    Options = VisionOptions
    options: VisionOptions
    name: ClassVar[str]
    folder: ClassVar[str]
    """Where the files lie in the data folder."""
    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def load(self, context: DataContext) -> Dataset:
        if context.download and self.missing(context.data_dir):
            with downloading(self.name, context.data_dir):
                self.fetch(context.data_dir)
        if missing := self.missing(context.data_dir):
            raise InputError(
                f"{self.name}: {', '.join(missing)} not found in {self._place(context.data_dir)}; "
                "name another folder with --data-dir, or allow fetching it with --download"
            )
        train, test = self.read(context.data_dir, train=True), self.read(context.data_dir, train=False)
        channels = len(self.mean)
        as_it_is = Normalise((0.0,) * channels, (1.0,) * channels)
        normalise = Normalise(self.mean, self.std) if self.options.normalise else as_it_is
        return image_dataset(self.name, train, test, normalise, self.class_names)

    def _place(self, data_dir: Path) -> str:
        folder = data_dir / self.folder
        return f"{folder}" if folder.is_dir() else f"{folder} (no such folder)"

    def missing(self, data_dir: Path) -> list[str]:
        """Names of the files that are not there."""
        raise NotImplementedError

    def fetch(self, data_dir: Path) -> None:
        """Download with torchvision."""
        raise NotImplementedError

    def read(self, data_dir: Path, train: bool) -> Samples:
        """One split. Raises InputError naming the file if it is damaged."""
        raise NotImplementedError


class Mnist(Vision):
    summary = "handwritten digits, 28x28: 60,000 training and 10,000 test samples"
    paper = "LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998"
    name = "mnist"
    folder = "MNIST/raw"
    mean = (0.1307,)
    std = (0.3081,)

    def missing(self, data_dir: Path) -> list[str]:
        names = [name for train in (True, False) for name in self._names(train)]
        return [f"{name}[.gz]" for name in names if not find_idx(data_dir / self.folder, name).is_file()]

    def fetch(self, data_dir: Path) -> None:
        _torchvision("MNIST")(data_dir, download=True)

    def read(self, data_dir: Path, train: bool) -> Samples:
        # torchvision's own reader insists on extracted files, which a read-only folder of .gz cannot offer
        images, labels = (find_idx(data_dir / self.folder, name) for name in self._names(train))
        pixels, targets = read_idx(images, dimensions=3), read_idx(labels, dimensions=1).long()
        if pixels.shape[1:] != (28, 28) or not len(pixels):
            raise InputError(f"{images} is damaged: images of {tuple(pixels.shape[1:])}, not 28x28; fetch it anew")
        return _checked(pixels.unsqueeze(1), targets, labels)

    @staticmethod
    def _names(train: bool) -> tuple[str, str]:
        part = "train" if train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


class FashionMnist(Mnist):
    summary = "articles of clothing, 28x28: 60,000 training and 10,000 test samples"
    paper = "Xiao, Rasul, Vollgraf, Fashion-MNIST, arXiv:1708.07747"
    name = "fmnist"
    folder = "FashionMNIST/raw"
    mean = (0.2860,)
    std = (0.3530,)
    class_names = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )

    def fetch(self, data_dir: Path) -> None:
        _torchvision("FashionMNIST")(data_dir, download=True)


class Cifar10(Vision):
    """torchvision compares every file with its published checksum before it reads it; so it is the published one."""

    summary = "colour photos of ten things, 32x32: 50,000 training and 10,000 test samples"
    paper = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
    name = "cifar10"
    folder = "cifar-10-batches-py"
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def missing(self, data_dir: Path) -> list[str]:
        return _missing(data_dir / self.folder, [name for name, _ in self._files()])

    def fetch(self, data_dir: Path) -> None:
        _torchvision("CIFAR10")(data_dir, download=True)

    def read(self, data_dir: Path, train: bool) -> Samples:
        _check_sums(data_dir / self.folder, self._files())
        stored = _torchvision("CIFAR10")(data_dir, train=train)
        pixels = torch.from_numpy(np.ascontiguousarray(stored.data.transpose(0, 3, 1, 2)))
        return _checked(pixels, torch.tensor(stored.targets), data_dir / self.folder)

    @staticmethod
    def _files() -> list[tuple[str, str]]:
        cifar = _torchvision("CIFAR10")
        listed = [*cifar.train_list, *cifar.test_list, (cifar.meta["filename"], cifar.meta["md5"])]
        return [(name, md5) for name, md5 in listed]


class Svhn(Vision):
    summary = "house numbers in street photos, 32x32: 73,257 training and 26,032 test samples"
    paper = "Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, NIPS workshop 2011"
    name = "svhn"
    folder = "."
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)

    def missing(self, data_dir: Path) -> list[str]:
        return _missing(data_dir, [name for name, _ in self._files()])

    def fetch(self, data_dir: Path) -> None:
        for split in ("train", "test"):
            _torchvision("SVHN")(data_dir, split=split, download=True)

    def read(self, data_dir: Path, train: bool) -> Samples:
        _check_sums(data_dir, self._files())
        stored = _torchvision("SVHN")(data_dir, split="train" if train else "test")
        return _checked(torch.from_numpy(stored.data.copy()), torch.from_numpy(stored.labels), data_dir)

    @staticmethod
    def _files() -> list[tuple[str, str]]:
        splits = _torchvision("SVHN").split_list
        return [(splits[split][1], splits[split][2]) for split in ("train", "test")]


def _torchvision(name: str) -> Any:
    """Imported on use: torchvision takes a second to load, and reading MNIST does not need it."""
    import torchvision.datasets

    return getattr(torchvision.datasets, name)


def _missing(folder: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]


def _check_sums(folder: Path, files: Sequence[tuple[str, str]]) -> None:
    from torchvision.datasets.utils import check_integrity

    for name, md5 in files:
        if not check_integrity(folder / name, md5):
            raise InputError(f"{folder / name} is damaged: its checksum is not the published one; fetch it anew")


def _checked(pixels: Tensor, targets: Tensor, source: Path) -> Samples:
    if len(pixels) != len(targets):
        raise InputError(f"{source} does not fit its images: {len(targets)} labels, {len(pixels)} images")
    if targets.min() < 0 or targets.max() > 9:
        raise InputError(f"{source} is damaged: labels from {int(targets.min())} to {int(targets.max())}, not 0 to 9")
    return pixels, targets
