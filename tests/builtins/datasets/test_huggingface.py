from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

from stalefl.builtins.datasets.huggingface import HuggingFace
from stalefl.contracts import DataContext, Dataset, InputError
from tests.builtins.datasets.pictures import encoded

NAMES = ["cat", "dog", "eel"]


def rows(count: int, mode: str = "RGB", **columns: Any) -> datasets.Dataset:
    """Sample i is a picture of value 10 i, its class i % 3."""
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=NAMES))
    images = [{"bytes": encoded(10 * i, mode=mode), "path": None} for i in range(count)]
    return datasets.Dataset.from_dict({"image": images, "label": [i % 3 for i in range(count)]}, features)


def load(data_dir: Path, **options: Any) -> Dataset:
    return HuggingFace(HuggingFace.Options(**options)).load(DataContext(data_dir))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pets").mkdir()
    rows(9).to_parquet(tmp_path / "pets" / "train-00000-of-00001.parquet")
    rows(6).to_parquet(tmp_path / "pets" / "test-00000-of-00001.parquet")
    return tmp_path


def test_a_folder_of_parquet_files_in_the_data_folder(folder: Path) -> None:
    data = load(folder, source="pets")
    assert (data.name, len(data.train), len(data.test)) == ("hf:pets", 9, 6)
    assert data.spec.shape == (3, 4, 6)
    assert data.spec.class_names == tuple(NAMES)
    assert data.train.raw.dtype == torch.uint8
    assert data.train.raw[:, 0, 0, 0].tolist() == [10 * i for i in range(9)]
    assert data.train.targets.tolist() == [0, 1, 2] * 3
    assert data.spec.value_range == ((-1.0,) * 3, (1.0,) * 3)


def test_a_single_parquet_file_is_split(folder: Path) -> None:
    path = folder / "pets" / "train-00000-of-00001.parquet"
    data = load(folder, source=str(path), test_split="", test_fraction=0.34, mean=[0.0], std=[1.0])
    assert data.train.targets.bincount().tolist() == [2, 2, 2]
    assert data.test.targets.bincount().tolist() == [1, 1, 1]
    together = torch.cat([data.train.raw, data.test.raw])[:, 0, 0, 0]
    assert sorted(together.tolist()) == [10 * i for i in range(9)]


def test_part_of_a_split_can_be_named(folder: Path) -> None:
    data = load(folder, source="pets", train_split="train[:4]", test_split="train[4:]")
    assert (len(data.train), len(data.test)) == (4, 5)


def test_nothing_is_left_in_a_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    load(folder, source="pets")
    assert list(cache.iterdir()) == []


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    rows(6, mode="L").to_parquet(tmp_path / "grey.parquet")
    data = load(tmp_path, source="grey.parquet", test_split="", test_fraction=0.5)
    assert data.spec.shape == (1, 4, 6)


def test_images_can_be_resized(folder: Path) -> None:
    assert load(folder, source="pets", image_size=5).spec.shape == (3, 5, 5)


def test_columns_can_be_named_and_labels_can_be_words(tmp_path: Path) -> None:
    columns = {"pic": [encoded(i) for i in range(6)], "kind": ["b", "a"] * 3}
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "plain.parquet")
    data = load(
        tmp_path, source="plain.parquet", image_column="pic", label_column="kind", test_split="", test_fraction=0.34
    )
    assert data.spec.class_names == ("a", "b")
    assert data.train.targets.bincount().tolist() == [2, 2]
    with pytest.raises(InputError, match=r"Give the option image_column; columns are \['pic', 'kind'\]"):
        load(tmp_path, source="plain.parquet", test_split="")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"source": ""}, "hf: name a data set"),
        ({"source": "pets", "image_column": "img"}, r"no column 'img'; columns are \['image', 'label'\]"),
        ({"source": "pets", "label_column": "fine"}, "no column 'fine'"),
        ({"source": "pets", "image_column": "label"}, "column 'label' does not hold images"),
        (
            {"source": "pets", "test_split": "validation"},
            r"Unknown split .*[^.]; name .*: --set data.options.test_split=$",
        ),
        ({"source": "pets", "mean": (0.1, 0.2)}, "mean has 2 values; give 1 or 3"),
        ({"source": "someone/unheard-of-pets"}, "neither a path .* nor in Hugging Face's local cache.*--download"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(folder, **options)


def test_a_damaged_file_is_named(folder: Path) -> None:
    path = folder / "pets" / "train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="hf:pets: .*pets cannot be read"):
        load(folder, source="pets")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="hf:notes.txt: .*neither a folder nor a file of .parquet, .csv"):
        load(tmp_path, source="notes.txt")


@pytest.mark.parametrize("labels", [[0, 1, -1, 0], [0, None, 1, 0], [0.5, 1.0, 0.0, 1.0]])
def test_labels_that_number_no_class_are_refused(tmp_path: Path, labels: list[Any]) -> None:
    images = [encoded(i) for i in range(4)]
    datasets.Dataset.from_dict({"image": images, "label": labels}).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(InputError, match="label"):
        load(tmp_path, source="odd.parquet", image_column="image", test_split="")


def test_a_damaged_image_is_refused(tmp_path: Path) -> None:
    images = [encoded(1), encoded(2), b"broken"]
    datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1]}).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(InputError, match="an image cannot be decoded"):
        load(tmp_path, source="odd.parquet", image_column="image", test_split="")


@pytest.mark.realdata
def test_real_cifar10_as_parquet(real_data: Path) -> None:
    data = load(real_data, source="cifar10-jpeg/test-00000-of-00001.parquet", test_split="", test_fraction=0.5)
    assert (len(data.train), len(data.test)) == (5000, 5000)
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.class_names[:2] == ("airplane", "automobile")
    assert data.train.raw.float().mean().item() / 255 == pytest.approx(0.47, abs=0.02)
