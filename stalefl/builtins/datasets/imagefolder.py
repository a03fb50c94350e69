"""Image folders in torchvision's layout, such as the paper's disaster images.

Either ``DIR/train/<class>/*.jpg`` and ``DIR/test/<class>/*.jpg`` (or ``val``, ``valid``, ``validation``; in letters of
either size), or ``DIR/<class>/*.jpg``, of which a fixed share of every class becomes the test split. Classes are the
folders, in the order of ``stalefl.data.labels``. Hidden folders and files are left out. Of ``test`` and ``val`` the
first that has class folders is the test split; the other is left out, and a warning says so.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pydantic import Field
from torch import Tensor

from stalefl.builtins.datasets.images import Normalise, channel_statistics, image_dataset
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options
from stalefl.data.files import files_below, subfolders
from stalefl.data.labels import classes_of
from stalefl.data.notices import tell_once
from stalefl.data.pictures import as_colours, read_picture, stack_pictures
from stalefl.data.sources import find_source, split_off_test
from stalefl.formatting import shortly

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PICTURE_FORMATS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
TRAIN = ("train", "training")
TEST = ("test", "testing")
VALIDATION = ("val", "valid", "validation")


class ImageFolderOptions(Options):
    source: str = Field("", description="the folder; a relative one is also looked up in the data folder")
    image_size: int = Field(224, ge=1, le=4096, description="images are resized and centre-cropped to this many pixels")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of every class for testing, without test/ or val/")
    mean: tuple[float, ...] = Field(IMAGENET_MEAN, strict=False, description="channel means (default: ImageNet's)")
    std: tuple[float, ...] = Field(IMAGENET_STD, strict=False, description="channel deviations (default: ImageNet's)")


class Listing(NamedTuple):
    """The pictures of a folder of class folders, and the class folder of each."""

    paths: list[Path]
    labels: list[str]


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
        train_folder, test_folder = splits(folder, name)
        listing = listed(train_folder, name)
        test_listing = listed(test_folder, name) if test_folder else Listing([], [])
        if test_folder and set(listing.labels) != set(test_listing.labels):
            raise InputError(_difference(train_folder, test_folder, listing, test_listing, name))
        classes = classes_of(listing.labels, test_listing.labels, name)
        pixels = self._read(listing, name)
        if test_folder:
            train, test = (pixels, classes.train), (self._read(test_listing, name), classes.test)
        else:
            train, test = (
                (pixels[part], classes.train[part])
                for part in split_off_test(classes.train, options.test_fraction, name)
            )
        return image_dataset(name, train, test, Normalise(mean, std), classes.names)

    def _read(self, listing: Listing, name: str) -> Tensor:
        size = self.options.image_size
        pictures = (as_colours(read_picture(path, str(path), size)) for path in listing.paths)
        return stack_pictures(pictures, len(listing.paths), name)


def splits(folder: Path, name: str) -> tuple[Path, Path | None]:
    """The folder of the training split, and that of the test split where there is one.

    A folder ``train`` that holds pictures itself is a class, not a split. Raises InputError for splits without class
    folders, and for a test split without a training split.
    """
    below = subfolders(folder)
    found = {kind: [path for path in below if path.name.lower() in kind] for kind in (TRAIN, TEST, VALIDATION)}
    named = [path for paths in found.values() for path in paths]
    if not any(subfolders(path) for path in found[TRAIN]):
        if named and (len(named) == len(below) or (found[TRAIN] and len(named) > 1)):
            raise InputError(
                f"{name}: {shortly([f'{path.name}/' for path in named])} in {folder} make no splits; valid: train/ and "
                "test/ (or val/), each with a folder for every class"
            )
        return folder, None
    for paths in found.values():
        if len(paths) > 1:
            raise InputError(f"{name}: {folder} has {paths[0].name}/ and {paths[1].name}/; valid: one of these")
    train = found[TRAIN][0]
    held_out = [*found[TEST], *found[VALIDATION]]
    test = next((path for path in held_out if subfolders(path)), None)
    if test is None and held_out:
        tell_once(
            f"{name}: {held_out[0].name}/ has no class folders; a share of {train.name}/ is the test split instead"
        )
    elif test is None:
        tell_once(f"{name}: a share of {train.name}/ is the test split, as there is no test/ or val/ beside it")
    elif test not in found[TEST]:
        tell_once(f"{name}: {test.name}/ is the test split")
    left_out = [f"{path.name}/" for path in below if path not in (train, test)]
    if left_out:
        tell_once(f"{name}: {shortly(left_out)} beside {train.name}/ is left out")
    return train, test


def listed(folder: Path, name: str) -> Listing:
    """The pictures of each class folder. What else lies there is counted in one warning. Raises InputError for a class
    without a picture, for folders of which nothing is a class, and for class folders one level further down."""
    paths: list[Path] = []
    labels: list[str] = []
    others: Counter[str] = Counter()
    classes = subfolders(folder)
    for class_folder in classes:
        files = list(files_below(class_folder))
        own = [path for path in files if path.suffix.lower() in PICTURE_FORMATS]
        others.update(path.suffix.lower() or path.name for path in files if path.suffix.lower() not in PICTURE_FORMATS)
        if not own:
            raise InputError(
                f"{name}: {folder} is not a folder of class folders with images: no picture in {class_folder.name}/; "
                f"valid: {', '.join(PICTURE_FORMATS)}"
            )
        paths += own
        labels += [class_folder.name] * len(own)
    if not paths:
        raise InputError(f"{name}: {folder} is not a folder of class folders with images: it has no subfolder")
    if len(classes) == 1 and all(path.parent != classes[0] for path in paths):
        raise InputError(f"{name}: {folder} has one class only, {classes[0].name}; its classes may be one folder below")
    if others:
        kinds = shortly([f"{count} {kind}" for kind, count in others.most_common()])
        tell_once(f"{name}: {others.total()} files in {folder} are of formats that are not read, and left out: {kinds}")
    return Listing(paths, labels)


def _difference(train: Path, test: Path, listing: Listing, test_listing: Listing, name: str) -> str:
    parts = []
    for folder, own, other in ((train, listing, test_listing), (test, test_listing, listing)):
        if lacking := sorted(set(other.labels) - set(own.labels)):
            parts.append(f"{folder.name}/ has no class {shortly(lacking)}")
    return f"{name}: {' and '.join(parts)}; valid: the same classes in both"
