"""Any image data set that Hugging Face's ``datasets`` can read: a hub name, a local folder or parquet files.

Nothing is fetched unless the user allows it; without that, a hub name is looked up in the local cache only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor

from stalefl.builtins.datasets.images import Normalise, channel_statistics, image_dataset
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError
from stalefl.data.hugging_face import Columns, HuggingFaceSource, opened
from stalefl.data.labels import classes_of, empty_classes
from stalefl.data.notices import tell_once
from stalefl.data.pictures import Pixels, read_picture, stack_pictures
from stalefl.data.sources import find_source, split_off_test
from stalefl.formatting import shortly

ROWS_AT_ONCE = 1000
LABEL = "label"
FOLDER_BUILDER = "imagefolder"
"""It reads a folder of pictures, and declares the names of its folders as classes."""


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
        stated = Columns(labels=(options.label_column or LABEL,), paths=options.image_column)
        with opened(options, context, name, stated) as (train_rows, test_rows):
            columns = _columns(train_rows, options, name)
            base = _base(options.source, context)
            pixels, labels = self._read(train_rows, columns, base, name, "training")
            test_pixels: Tensor | None = None
            test_labels: list[Any] = []
            if test_rows is not None:
                test_pixels, test_labels = self._read(test_rows, columns, base, name, "test")
            declared = getattr(train_rows.features[columns[1]], "names", None) or ()
            if declared and train_rows.info.builder_name == FOLDER_BUILDER:  # by alphabet, also of numbers
                labels, test_labels, declared = _named(labels, declared), _named(test_labels, declared), ()
        classes = classes_of(labels, test_labels, name, declared)
        if test_pixels is None:
            train, test = (
                (pixels[part], classes.train[part])
                for part in split_off_test(classes.train, options.test_fraction, name)
            )
        else:
            train, test = (pixels, classes.train), (test_pixels, classes.test)
            if untested := [] if declared else empty_classes(classes.test, classes.names):
                tell_once(f"{name}: no sample of class {shortly(untested)} in the test split, so it is not tested")
        if train[0].shape[2:] != test[0].shape[2:]:
            raise InputError(f"{name}: training and test images differ in size; give image_size")
        channels = max(train[0].shape[1], test[0].shape[1])
        train, test = ((part.expand(-1, channels, -1, -1).contiguous(), labels) for part, labels in (train, test))
        mean, std = channel_statistics(options.mean, options.std, channels, 0.5, name)
        return image_dataset(name, train, test, Normalise(mean, std), classes.names)

    def _read(self, rows: Any, columns: tuple[str, str], base: Path, name: str, part: str) -> tuple[Tensor, list[Any]]:
        """Pixels [N, C, H, W] and the labels as they are stored."""
        if missing := [column for column in columns if column not in rows.column_names]:
            raise InputError(f"{name}: no column {missing[0]!r} in every split; columns are {rows.column_names}")
        if not len(rows):
            raise InputError(f"{name}: the {part} split is empty")

        def pictures() -> Iterator[Pixels]:
            place = f"{name}: picture {{}} of the {part} split (column {columns[0]!r})"
            index = 0
            for batch in rows.with_format("arrow").iter(batch_size=ROWS_AT_ONCE):
                for stored in batch.column(columns[0]).to_pylist():
                    index += 1
                    yield _picture(stored, base, place.format(index), self.options.image_size)

        labels = rows.with_format("arrow")[:].column(columns[1]).to_pylist()
        return stack_pictures(pictures(), len(rows), name), labels


def _base(source: str, context: DataContext) -> Path:
    """The folder that relative paths of pictures are relative to."""
    local = find_source(source, context.data_dir) or Path()
    return (local if local.is_dir() else local.parent).absolute()


def _named(labels: list[Any], names: Sequence[str]) -> list[Any]:
    return [names[label] if label is not None and label >= 0 else None for label in labels]


def _columns(rows: Any, options: HuggingFaceOptions, name: str) -> tuple[str, str]:
    """The image and the label column: as chosen, else found by their features."""
    import datasets

    features = rows.features
    for column in filter(None, (options.image_column, options.label_column)):
        if column not in features:
            raise InputError(f"{name}: no column {column!r}; columns are {list(features)}")
    of_images = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    of_labels = [column for column, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    of_labels += [LABEL] * (LABEL in features)
    image, label = options.image_column or of_images[:1], options.label_column or of_labels[:1]
    for key, found in (("image_column", image), ("label_column", label)):
        if not found:
            raise InputError(f"{name}: which column? Give the option {key}; columns are {list(features)}")
    return (image if isinstance(image, str) else image[0]), (label if isinstance(label, str) else label[0])


def _picture(stored: Any, base: Path, place: str, size: int) -> Pixels:
    """Of encoded bytes, or of the file whose path is stored."""
    path = stored
    if isinstance(stored, dict):
        stored, path = stored.get("bytes") or None, stored.get("path")
    if isinstance(stored, bytes):
        return read_picture(stored, place, size)
    if isinstance(path, str) and "://" in path:
        raise InputError(f"{place}: {path[:80]} is an address, and nothing is fetched; valid: files")
    if isinstance(path, str) and path:
        return read_picture(base / path, f"{place}, {path},", size)
    found = "nothing" if stored is None else type(stored).__name__
    raise InputError(f"{place}: found {found} where an encoded image, or the path of one, was expected")
