from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.builtins.datasets.imagefolder import ImageFolder
from stalefl.contracts import DataContext, Dataset, InputError
from tests.builtins.datasets.pictures import encoded

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
    with pytest.raises(InputError, match=r"train/ has the classes .*'intact'.*, test/ has"):
        load(tmp_path, tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    write(tmp_path / "mdi", 4)
    (tmp_path / "mdi" / "flood" / "1.jpg").write_bytes(b"\xff\xd8 broken")
    with pytest.raises(InputError, match=r"flood/1.jpg cannot be decoded"):
        load("mdi", tmp_path)
