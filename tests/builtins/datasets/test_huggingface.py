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
        (
            {"source": "pets", "image_column": "label"},
            "picture 1 of the training split .column 'label'.: found int where an encoded image",
        ),
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


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([3, 1, 2, 3, 1, 2], ("1", "2", "3")),
        ([2019, 2**40, 2019, 2**40, -1, -1], ("-1", "2019", "1099511627776")),
        ([10.0, 2.0, 10.0, 2.0, 0.5, 0.5], ("0.5", "2", "10")),
        (["10", "9", "NA", "10", "9", "NA"], ("9", "10", "NA")),
        ([True, False] * 3, ("false", "true")),
    ],
)
def test_classes_are_the_labels_that_occur(tmp_path: Path, labels: list[Any], names: tuple[str, ...]) -> None:
    columns = {"image": [encoded(i) for i in range(6)], "label": labels}
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "odd.parquet")
    data = load(tmp_path, source="odd.parquet", image_column="image", test_split="", test_fraction=0.5)
    assert (data.spec.class_names, data.spec.classes) == (names, len(names))


def test_declared_classes_stay_where_some_do_not_occur(tmp_path: Path) -> None:
    rows(9).select([0, 2, 3, 5]).to_parquet(tmp_path / "some.parquet")
    data = load(tmp_path, source="some.parquet", test_split="", test_fraction=0.5)
    assert data.spec.class_names == tuple(NAMES)
    assert sorted(data.train.targets.tolist()) == [0, 2]


def test_a_missing_label_is_named(tmp_path: Path) -> None:
    columns = {"image": [encoded(i) for i in range(4)], "label": [0, None, 1, 0]}
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(InputError, match="hf:odd.parquet: sample 2 of the training split has no label"):
        load(tmp_path, source="odd.parquet", image_column="image", test_split="")


def test_a_test_split_without_labels_is_told_of(folder: Path) -> None:
    path = folder / "pets" / "test-00000-of-00001.parquet"
    rows(6).map(lambda row: {"label": -1}, features=rows(1).features).to_parquet(path)
    with pytest.raises(
        InputError, match="test split is not labelled .*; --set data.options.test_split= splits a share"
    ):
        load(folder, source="pets")


def test_one_colour_picture_makes_all_colour(tmp_path: Path) -> None:
    images = [encoded(i, mode="L") for i in range(5)] + [encoded(200)]
    columns = {"image": images, "label": [0, 1] * 3}
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "mixed.parquet")
    data = load(tmp_path, source="mixed.parquet", image_column="image", test_split="", test_fraction=0.34)
    pixels = torch.cat([data.train.raw, data.test.raw])[:, :, 0, 0].tolist()
    assert sorted(pixels) == [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4], [200, 0, 0]]


def test_a_grey_test_split_goes_with_colours_in_training(folder: Path) -> None:
    rows(6, mode="L").to_parquet(folder / "pets" / "test-00000-of-00001.parquet")
    data = load(folder, source="pets")
    assert (data.train.raw.shape[1], data.test.raw.shape[1], data.spec.shape) == (3, 3, (3, 4, 6))


def test_paths_in_a_table_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "shop" / "pictures").mkdir(parents=True)
    for number in range(4):
        (tmp_path / "shop" / "pictures" / f"{number}.png").write_bytes(encoded(number))
    lines = ["file;label", *(f"pictures/{number}.png;{'hat' if number % 2 else 'NA'}" for number in range(4))]
    (tmp_path / "shop" / "list.csv").write_text("\n".join(lines), encoding="utf-16")
    options = {"source": "shop/list.csv", "image_column": "file", "test_split": "", "test_fraction": 0.5}
    data = load(tmp_path, **options)
    assert data.spec.class_names == ("NA", "hat")
    assert sorted(torch.cat([data.train.raw, data.test.raw])[:, 0, 0, 0].tolist()) == [0, 1, 2, 3]
    (tmp_path / "shop" / "pictures" / "2.png").unlink()
    with pytest.raises(
        InputError, match=r"picture 3 of the training split \(column 'file'\), .*pictures/2.png, cannot"
    ):
        load(tmp_path, **options)


def test_a_folder_of_pictures_has_its_classes_in_natural_order(tmp_path: Path) -> None:
    for label in ("2", "10", "1"):
        (tmp_path / "numbers" / label).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "numbers" / label / f"{number}.png").write_bytes(encoded(int(label)))
    data = load(tmp_path, source="numbers", test_split="", test_fraction=0.5)
    assert data.spec.class_names == ("1", "2", "10")
    assert sorted(zip(data.train.targets.tolist(), data.train.raw[:, 0, 0, 0].tolist(), strict=True)) == [
        (0, 1),
        (1, 2),
        (2, 10),
    ]


def test_a_damaged_image_is_refused(tmp_path: Path) -> None:
    images = [encoded(1), encoded(2), b"broken"]
    datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1]}).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(InputError, match="picture 3 of the training split .* cannot be decoded: cannot identify image"):
        load(tmp_path, source="odd.parquet", image_column="image", test_split="")


@pytest.mark.realdata
def test_real_cifar10_as_parquet(real_data: Path) -> None:
    data = load(real_data, source="cifar10-jpeg/test-00000-of-00001.parquet", test_split="", test_fraction=0.5)
    assert (len(data.train), len(data.test)) == (5000, 5000)
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.class_names[:2] == ("airplane", "automobile")
    assert data.train.raw.float().mean().item() / 255 == pytest.approx(0.47, abs=0.02)
