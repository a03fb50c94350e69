"""Any image data set that Hugging Face's ``datasets`` can read: a hub name, a local folder or parquet files.

Nothing is fetched unless the user allows it; without that, a hub name is looked up in the local cache only.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from stalefl.builtins.datasets.imagefolder import find_source
from stalefl.builtins.datasets.images import (
    Normalise,
    Pixels,
    channel_statistics,
    decode_image,
    image_dataset,
    split_off_test,
    stack_images,
)
from stalefl.builtins.datasets.vision import downloading
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options

BATCH = 1000
OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


class HuggingFaceOptions(Options):
    source: str = Field("", description="hub name, folder or parquet file (relative ones also in the data folder)")
    config: str = Field("", description="the data set's configuration, where it has several")
    image_column: str = Field("", description="the column of images (default: the first one that holds images)")
    label_column: str = Field("", description="the column of labels (default: the first of class labels, or 'label')")
    train_split: str = Field("train", description="the split to train on")
    test_split: str = Field("test", description="the split to test on; empty: split off test_fraction")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of every class for testing, without a test split")
    image_size: int = Field(0, ge=0, le=4096, description="resize and centre-crop to this many pixels; 0: as they are")
    mean: tuple[float, ...] = Field((), strict=False, description="channel means (default: 0.5 each)")
    std: tuple[float, ...] = Field((), strict=False, description="channel deviations (default: 0.5 each)")


class HuggingFace(DatasetPlugin):
    summary = "an image data set read with Hugging Face datasets: hub name, folder or parquet; hf:NAME"
    paper = "Lhoest et al., Datasets: A Community Library for Natural Language Processing, EMNLP 2021"
    Options = HuggingFaceOptions
    options: HuggingFaceOptions

    def load(self, context: DataContext) -> Dataset:
        options, name = self.options, f"hf:{self.options.source}"
        if not options.source:
            raise InputError("hf: name a data set, as hf:NAME, hf:FOLDER or hf:FILE.parquet")
        with opened(options, context) as (train_rows, test_rows):
            columns = _columns(train_rows, options, name)
            mode = _mode(train_rows, columns[0], name)
            pixels, labels = self._read(train_rows, columns, mode, name)
            test_pixels, test_labels = self._read(test_rows, columns, mode, name) if test_rows else (None, [])
            class_names, targets = _targets([*labels, *test_labels], train_rows.features[columns[1]], name)
        if test_pixels is None:
            train, test = (
                (pixels[part], targets[part]) for part in split_off_test(targets, options.test_fraction, name)
            )
        else:
            train, test = (pixels, targets[: len(labels)]), (test_pixels, targets[len(labels) :])
        if train[0].shape[1:] != test[0].shape[1:]:
            raise InputError(f"{name}: training and test images differ in size; give image_size")
        mean, std = channel_statistics(options.mean, options.std, train[0].shape[1], 0.5, name)
        return image_dataset(name, train, test, Normalise(mean, std), class_names)

    def _read(
        self, rows: Any, columns: tuple[str, str], mode: Literal["L", "RGB"], name: str
    ) -> tuple[Tensor, list[Any]]:
        """Pixels [N, C, H, W] and the labels as they are stored."""
        if missing := [column for column in columns if column not in rows.column_names]:
            raise InputError(f"{name}: no column {missing[0]!r} in every split; columns are {rows.column_names}")

        def images() -> Iterator[Pixels]:
            for batch in rows.with_format("arrow").iter(batch_size=BATCH):
                for image in batch.column(columns[0]).to_pylist():
                    yield _decode(image, mode, self.options.image_size, name)

        labels = rows.with_format("arrow")[:].column(columns[1]).to_pylist()
        return stack_images(images(), len(rows), name), labels


@contextlib.contextmanager
def opened(options: HuggingFaceOptions, context: DataContext) -> Iterator[tuple[Any, Any]]:
    """The training and the test split (None if one is to be split off). Of local files no copy stays in a cache."""
    import datasets

    local = find_source(options.source, context.data_dir)
    name = f"hf:{options.source}"
    wanted = [options.train_split] + [options.test_split] * bool(options.test_split)
    with contextlib.ExitStack() as stack:
        arguments = {"path": options.source} if local is None else _local(local)
        if local is not None:
            temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            arguments["cache_dir"] = stack.enter_context(temporary)
        if local is None and context.download:
            stack.enter_context(downloading(name, "Hugging Face's cache"))
        else:
            stack.enter_context(_offline())
        try:
            splits = [datasets.load_dataset(**arguments, name=options.config or None, split=part) for part in wanted]
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise InputError(_why_not(name, local, context, error)) from error
        yield splits[0], splits[1] if options.test_split else None


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Hugging Face's libraries read their offline switch when imported; it is set for as long as this lasts."""
    import datasets
    import huggingface_hub.constants

    modules = (vars(datasets.config), vars(huggingface_hub.constants))
    switches = [(module, name) for module in modules for name in OFFLINE_SWITCHES if name in module]
    before = [module[name] for module, name in switches]
    silent = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        for module, name in switches:
            module[name] = True
        yield
    finally:
        for (module, name), value in zip(switches, before, strict=True):
            module[name] = value
        if not silent:
            datasets.enable_progress_bars()


def _local(path: Path) -> dict[str, Any]:
    if path.is_dir():
        return {"path": str(path)}
    if path.suffix != ".parquet":
        raise InputError(f"hf:{path} is neither a folder nor a .parquet file")
    return {"path": "parquet", "data_files": str(path)}


def _why_not(name: str, local: Path | None, context: DataContext, error: Exception) -> str:
    cause = error.__cause__ or error
    reason = " ".join(str(cause).split()) or type(cause).__name__
    if "Unknown split" in reason:
        return f"{name}: {reason}; name others with the options train_split and test_split (empty: split off a share)"
    if local is not None:
        return f"{name}: {local} cannot be read: {reason}"
    if context.download:
        return f"{name} cannot be fetched: {reason}"
    return (
        f"{name} is neither a path (as given or in {context.data_dir}) nor in Hugging Face's local cache; "
        "allow fetching it with --download"
    )


def _columns(rows: Any, options: HuggingFaceOptions, name: str) -> tuple[str, str]:
    """The image and the label column: as chosen, else found by their features."""
    import datasets

    features = rows.features
    for column in filter(None, (options.image_column, options.label_column)):
        if column not in features:
            raise InputError(f"{name}: no column {column!r}; columns are {list(features)}")
    of_images = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    of_labels = [column for column, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    of_labels += ["label"] * ("label" in features)
    image, label = options.image_column or of_images[:1], options.label_column or of_labels[:1]
    for key, found in (("image_column", image), ("label_column", label)):
        if not found:
            raise InputError(f"{name}: which column? Give the option {key}; columns are {list(features)}")
    return (image if isinstance(image, str) else image[0]), (label if isinstance(label, str) else label[0])


def _mode(rows: Any, column: str, name: str) -> Literal["L", "RGB"]:
    """Grey ("L") if the first image is, else "RGB"; all images are read alike."""
    from PIL import Image

    if not len(rows):
        raise InputError(f"{name}: the training split is empty")
    first = rows.with_format("arrow")[:1].column(column).to_pylist()[0]
    try:
        with Image.open(io.BytesIO(_content(first))) as image:
            return "L" if image.mode in ("1", "L") else "RGB"
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{name}: column {column!r} does not hold images: {error}") from error


def _decode(image: Any, mode: Literal["L", "RGB"], size: int, name: str) -> Pixels:
    try:
        return decode_image(_content(image), mode, size)
    except (OSError, TypeError, ValueError, SyntaxError) as error:
        raise InputError(f"{name}: an image cannot be decoded: {error}") from error


def _content(image: Any) -> bytes:
    """The encoded image: stored as it is, or in the file whose path is stored."""
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, str):
        return Path(image).read_bytes()
    if isinstance(image, bytes):
        return image
    raise TypeError(f"found {type(image).__name__} where an encoded image was expected")


def _targets(labels: list[Any], feature: Any, name: str) -> tuple[list[str], Tensor]:
    """Class names and targets int64 [N]; labels are class numbers or names."""
    if any(label is None for label in labels):
        raise InputError(f"{name}: some samples have no label")
    if all(isinstance(label, str) for label in labels):
        names = sorted(set(labels))
        number = {label: position for position, label in enumerate(names)}
        return names, torch.tensor([number[label] for label in labels])
    if not all(type(label) is int and label >= 0 for label in labels):
        raise InputError(f"{name}: labels must be class numbers from 0 or class names")
    names = getattr(feature, "names", None) or [str(label) for label in range(max(labels) + 1)]
    if max(labels) >= len(names):
        raise InputError(f"{name}: label {max(labels)} is beyond the {len(names)} named classes")
    return list(names), torch.tensor(labels)
