from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stalefl.builtins.datasets.imagefolder import ImageFolder
from stalefl.contracts import DataContext, Dataset, InputError
from stalefl.data.notices import tell_once
from tests.builtins.datasets.pictures import encoded


@pytest.fixture(autouse=True)
def everything_is_told_anew(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="stalefl")
    tell_once.cache_clear()


CLASSES = ("fire", "flood", "intact")


def write(folder: Path, per_class: int, classes: tuple[str, ...] = CLASSES) -> None:
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            content = encoded(100 + 50 * label, size=(8 + number, 9), kind="JPEG")
            (folder / name / f"{number}.jpg").write_bytes(content)


def load(source: Path | str, data_dir: Path, **options: object) -> Dataset:
    chosen = ImageFolder.Options(**{"source": str(source), "image_size": 8, **options})  # type: ignore[arg-type]
    return ImageFolder(chosen).load(DataContext(data_dir))


def test_train_and_test_folders_are_the_splits(tmp_path: Path) -> None:
    write(tmp_path / "train", 3)
    write(tmp_path / "test", 2)
    data = load(tmp_path, tmp_path, mean=[0.0], std=[1.0])
    assert (len(data.train), len(data.test)) == (9, 6)
    assert data.spec.class_names == CLASSES
    assert data.spec.shape == (3, 8, 8)
    inputs, targets = data.train.take([0, 8])
    assert targets.tolist() == [0, 2]
    assert (inputs[:, 0].mean(dim=(1, 2)) * 255).tolist() == pytest.approx([100, 200], abs=3)


def test_a_single_folder_is_split_alike_in_every_class(tmp_path: Path) -> None:
    write(tmp_path / "mdi", 10)
    data = load("mdi", tmp_path, test_fraction=0.3)  # a relative name is looked up in the data folder
    assert data.train.targets.bincount().tolist() == [7, 7, 7]
    assert data.test.targets.bincount().tolist() == [3, 3, 3]
    again = load("mdi", tmp_path, test_fraction=0.3)
    assert (again.test.raw == data.test.raw).all()
    least, greatest = data.spec.value_range
    assert least == pytest.approx((-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225))
    assert greatest == pytest.approx((0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225))


@pytest.mark.parametrize("names", [("train", "val"), ("Train", "VALID"), ("training", "validation"), ("TRAIN", "Test")])
def test_splits_have_several_names(tmp_path: Path, names: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    for name, per_class in zip(names, (3, 2), strict=True):
        write(tmp_path / name, per_class)
    data = load(tmp_path, tmp_path)
    assert (len(data.train), len(data.test), data.spec.class_names) == (9, 6, CLASSES)
    assert (f"{names[1]}/ is the test split" in caplog.text) == ("test" not in names[1].lower())


def test_of_three_splits_test_is_the_test_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, per_class in (("train", 3), ("val", 1), ("test", 2)):
        write(tmp_path / name, per_class)
    assert len(load(tmp_path, tmp_path).test) == 6
    assert "val/ beside train/ is left out" in caplog.text


def test_a_test_folder_without_classes_is_not_labelled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "train", 5)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.jpg").write_bytes(encoded(1))
    data = load(tmp_path, tmp_path)
    assert (len(data.train), len(data.test)) == (12, 3)
    assert "test/ has no class folders; a share of train/ is the test split instead" in caplog.text
    write(tmp_path / "val", 2)
    assert len(load(tmp_path, tmp_path).test) == 6


def test_a_train_folder_alone_is_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "train", 5)
    data = load(tmp_path, tmp_path)
    assert (len(data.train), len(data.test), data.spec.class_names) == (12, 3, CLASSES)
    assert "a share of train/ is the test split" in caplog.text


def test_a_train_can_be_a_class(tmp_path: Path) -> None:
    write(tmp_path, 5, classes=("bus", "plane", "train"))
    assert load(tmp_path, tmp_path).spec.class_names == ("bus", "plane", "train")


@pytest.mark.parametrize("names", [("train", "val"), ("test", "val"), ("train",)])
def test_splits_without_classes_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    write(tmp_path, 3, classes=names)
    with pytest.raises(InputError, match="make no splits; valid: train/ and test/ .or val/., each with a folder for"):
        load(tmp_path, tmp_path)


def test_numbers_are_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, 5, classes=("10", "9", "other", "1"))
    assert load(tmp_path, tmp_path).spec.class_names == ("1", "9", "10", "other")


def test_what_is_hidden_is_no_class_and_other_formats_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 5, classes=(*CLASSES, ".ipynb_checkpoints", "@eaDir", "__MACOSX"))
    for name in ("Thumbs.db", "a.gif", "b.GIF", "notes.txt", ".DS_Store"):
        (tmp_path / "fire" / name).write_bytes(b"x")
    data = load(tmp_path, tmp_path)
    assert (data.spec.class_names, len(data.train), len(data.test)) == (CLASSES, 12, 3)
    assert "3 files in " in caplog.text
    assert "are of formats that are not read, and left out: 2 .gif, 1 .txt" in caplog.text


def test_a_class_without_a_picture_is_named(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (tmp_path / "flood" / "0.jpg").unlink()
    (tmp_path / "flood" / "1.jpg").rename(tmp_path / "flood" / "1.heic")
    with pytest.raises(InputError, match="no picture in flood/; valid: .jpg"):
        load(tmp_path, tmp_path)


def test_a_folder_above_the_classes_is_no_class(tmp_path: Path) -> None:
    write(tmp_path / "data", 2)
    with pytest.raises(InputError, match="has one class only, data; its classes may be one folder below"):
        load(tmp_path, tmp_path)


def test_grey_pictures_are_repeated_over_the_channels(tmp_path: Path) -> None:
    for name, value in (("a", 0), ("b", 65535)):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(np.full((9, 9), value, np.uint16)).save(tmp_path / name / f"{number}.png")
    data = load(tmp_path, tmp_path)
    assert data.spec.shape == (3, 8, 8)
    assert [data.train.raw[data.train.targets == k].unique().tolist() for k in (0, 1)] == [[0], [255]]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder 'mdi', neither as given nor in"):
        load("mdi", tmp_path)
    with pytest.raises(InputError, match="no folder ''"):
        load("", tmp_path)


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder of class folders with images"):
        load(tmp_path, tmp_path)


def test_splits_of_different_classes_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train", 2)
    write(tmp_path / "test", 2, classes=("fire", "flood"))
    with pytest.raises(InputError, match="test/ has no class intact; valid: the same classes in both"):
        load(tmp_path, tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    write(tmp_path / "mdi", 4)
    (tmp_path / "mdi" / "flood" / "1.jpg").write_bytes(b"\xff\xd8 broken")
    with pytest.raises(InputError, match=r"flood/1.jpg cannot be decoded"):
        load("mdi", tmp_path)
