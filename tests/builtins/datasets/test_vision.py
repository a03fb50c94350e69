from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets

from stalefl.builtins.datasets.vision import Cifar10, FashionMnist, Mnist, Svhn, Vision
from stalefl.contracts import DataContext, InputError
from tests.builtins.datasets.pictures import write_idx, write_mnist


def load(plugin: type[Vision], folder: Path, **options: bool):
    return plugin(plugin.Options(**options)).load(DataContext(folder))


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


# --- MNIST and Fashion-MNIST ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("plugin", [Mnist, FashionMnist])
def test_mnist_is_read_from_raw_files(tmp_path: Path, plugin: type[Mnist], compressed: bool) -> None:
    write_mnist(tmp_path / plugin.folder, compressed=compressed)
    data = load(plugin, tmp_path)
    assert (len(data.train), len(data.test)) == (20, 10)
    assert (data.spec.shape, data.spec.classes, len(data.spec.class_names)) == ((1, 28, 28), 10, 10)
    inputs, targets = data.train.take([0, 13])
    assert targets.tolist() == [0, 3]
    mean, std = plugin.mean[0], plugin.std[0]
    assert inputs[0].unique().tolist() == pytest.approx([-mean / std])
    assert inputs[1].unique().tolist() == pytest.approx([(13 / 255 - mean) / std])
    assert data.spec.value_range[0] == pytest.approx(((0 - mean) / std,))
    assert data.spec.value_range[1] == pytest.approx(((1 - mean) / std,))


def test_without_normalisation_inputs_lie_in_0_to_1(tmp_path: Path) -> None:
    write_mnist(tmp_path / Mnist.folder)
    data = load(Mnist, tmp_path, normalise=False)
    assert data.spec.value_range == ((0.0,), (1.0,))
    assert data.train.take([17])[0].unique().tolist() == pytest.approx([17 / 255])


def test_a_missing_folder_and_the_download_flag_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\[.gz\].*MNIST/raw \(no such folder\).*--download"):
        load(Mnist, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path / Mnist.folder)
    (tmp_path / Mnist.folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"mnist: t10k-labels-idx1-ubyte\[.gz\] not found in"):
        load(Mnist, tmp_path)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path / Mnist.folder)
    path = tmp_path / Mnist.folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="train-images-idx3-ubyte.gz is damaged"):
        load(Mnist, tmp_path)


@pytest.mark.parametrize(
    ("labels", "said"),
    [(np.zeros(19, dtype=np.uint8), "19 labels, 20 images"), (np.full(20, 11, dtype=np.uint8), "labels from 11 to 11")],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: np.ndarray, said: str) -> None:
    write_mnist(tmp_path / Mnist.folder)
    write_idx(tmp_path / Mnist.folder / "train-labels-idx1-ubyte.gz", labels, compressed=True)
    with pytest.raises(InputError, match=said):
        load(Mnist, tmp_path)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path / Mnist.folder)
    images = np.zeros((20, 8, 8), dtype=np.uint8)
    write_idx(tmp_path / Mnist.folder / "train-images-idx3-ubyte.gz", images, compressed=True)
    with pytest.raises(InputError, match="not 28x28"):
        load(Mnist, tmp_path)


# --- CIFAR-10 and SVHN ----------------------------------------------------------------------------------------------


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two batches and a test batch in CIFAR-10's format, whose checksums torchvision is told."""
    folder = tmp_path / Cifar10.folder
    folder.mkdir()
    sums = []
    for position, name in enumerate(["data_batch_1", "data_batch_2", "test_batch"]):
        red = np.full((4, 1024), position, dtype=np.uint8)
        pixels = np.concatenate([red, red + 100, red + 200], axis=1)
        content = {"data": pixels, "labels": [0, 3, 6, 9]}
        (folder / name).write_bytes(pickle.dumps(content))
        sums.append([name, md5(folder / name)])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(Cifar10.class_names)}))
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(folder / "batches.meta")}
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "train_list", sums[:2])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "test_list", sums[2:])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "meta", meta)
    return tmp_path


def test_cifar10_is_read_channels_first(cifar: Path) -> None:
    data = load(Cifar10, cifar, normalise=False)
    assert (len(data.train), len(data.test), data.spec.shape) == (8, 4, (3, 32, 32))
    inputs, targets = data.train.take([4, 7])
    assert targets.tolist() == [0, 9]
    assert (inputs[0] * 255).round().amax(dim=(1, 2)).tolist() == [1, 101, 201]
    assert len(data.spec.value_range[0]) == 3


def test_cifar10_with_a_wrong_checksum_is_never_opened(cifar: Path) -> None:
    path = cifar / Cifar10.folder / "data_batch_2"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="data_batch_2 is damaged: its checksum"):
        load(Cifar10, cifar)


def test_cifar10_names_what_is_missing(cifar: Path) -> None:
    (cifar / Cifar10.folder / "test_batch").unlink()
    with pytest.raises(InputError, match="cifar10: test_batch not found"):
        load(Cifar10, cifar)


def test_svhn_calls_its_tenth_class_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {}
    for split, count in (("train", 5), ("test", 3)):
        path = tmp_path / f"{split}_32x32.mat"
        pixels = np.zeros((32, 32, 3, count), dtype=np.uint8)
        pixels[:, :, 2, :] = 255
        scipy.io.savemat(path, {"X": pixels, "y": np.array([[10], [1], [2], [9], [5]][:count])})
        splits[split] = ["", path.name, md5(path)]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", splits)
    data = load(Svhn, tmp_path, normalise=False)
    assert data.train.targets.tolist() == [0, 1, 2, 9, 5]
    assert len(data.test) == 3
    assert data.train.take([1])[0].amax(dim=(0, 2, 3)).tolist() == [0, 0, 1]
    (tmp_path / "train_32x32.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match="train_32x32.mat is damaged"):
        load(Svhn, tmp_path)


# --- downloads ------------------------------------------------------------------------------------------------------


def test_nothing_is_fetched_unless_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mnist, "fetch", lambda self, data_dir: write_mnist(data_dir / self.folder))
    with pytest.raises(InputError, match="--download"):
        load(Mnist, tmp_path)
    assert len(Mnist(Mnist.Options()).load(DataContext(tmp_path, download=True)).train) == 20


def test_what_is_at_hand_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / Mnist.folder)
    monkeypatch.delattr(Mnist, "fetch")
    assert len(Mnist(Mnist.Options()).load(DataContext(tmp_path, download=True)).train) == 20


# --- the real files -------------------------------------------------------------------------------------------------


@pytest.mark.realdata
def test_the_real_mnist(real_data: Path) -> None:
    data = load(Mnist, real_data)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    inputs, _ = data.train.take(torch.arange(60_000))
    assert inputs.mean().item() == pytest.approx(0, abs=1e-3)
    assert inputs.std().item() == pytest.approx(1, abs=1e-3)
    (least,), (greatest,) = data.spec.value_range
    assert (inputs.min().item(), inputs.max().item()) == (least, greatest)
