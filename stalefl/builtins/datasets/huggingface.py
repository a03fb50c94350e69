"""Any image data set that Hugging Face's ``datasets`` can read: a hub name, a local folder or parquet files.

Nothing is fetched unless the user allows it; without that, a hub name is looked up in the local cache only.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

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
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError
from stalefl.data.sources import HuggingFaceSource, class_targets, opened, split_off_test

ROWS_AT_ONCE = 1000


class HuggingFaceOptions(HuggingFaceSource):
    image_column: str = Field("", description="the column of images (default: the first one that holds images)")
    label_column: str = Field("", description="the column of labels (default: the first of class labels, or 'label')")
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
        with opened(options, context, name) as (train_rows, test_rows):
            columns = _columns(train_rows, options, name)
            mode = _mode(train_rows, columns[0], name)
            pixels, labels = self._read(train_rows, columns, mode, name)
            test_pixels, test_labels = self._read(test_rows, columns, mode, name) if test_rows else (None, [])
            class_names, targets = class_targets([*labels, *test_labels], train_rows.features[columns[1]], name)
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
            for batch in rows.with_format("arrow").iter(batch_size=ROWS_AT_ONCE):
                for image in batch.column(columns[0]).to_pylist():
                    yield _decode(image, mode, self.options.image_size, name)

        labels = rows.with_format("arrow")[:].column(columns[1]).to_pylist()
        return stack_images(images(), len(rows), name), labels


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
