from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stalefl.builtins.datasets.blended import PATCH_PIXELS, _patches, _photos
from stalefl.contracts import DataContext, Dataset, InputError, Split
from stalefl.registry import load_registry
from stalefl.training.value_range import to_unit

NOWHERE = DataContext(Path("no-data-needed"))


def blended() -> Dataset:
    return load_registry().create("dataset", "digits-blended").load(NOWHERE)


def test_digits_keep_their_classes_and_split() -> None:
    data, digits = blended(), load_registry().create("dataset", "digits").load(NOWHERE)
    assert (data.name, data.spec.shape, len(data.train), len(data.test)) == ("digits-blended", (1, 8, 8), 1400, 397)
    assert torch.equal(data.train.targets, digits.train.targets)
    assert torch.equal(data.test.targets, digits.test.targets)
    assert data.spec.value_range == digits.spec.value_range


def test_where_there_is_no_ink_there_is_the_photo_and_under_full_ink_its_negative() -> None:
    """|patch - 0| = patch and |patch - 1| = 1 - patch: over many digits, means that add up to one."""
    data, digits = blended(), load_registry().create("dataset", "digits").load(NOWHERE)
    pixels = to_unit(data.train.to_model(data.train.raw), data.spec)
    ink = to_unit(digits.train.to_model(digits.train.raw), digits.spec)
    paper, full = float(pixels[ink == 0].mean()), float(pixels[ink == 1].mean())
    photo = _photos("photos", NOWHERE)
    assert paper + full == pytest.approx(1, abs=0.05)
    assert paper == pytest.approx(float(photo.to_model(photo.raw).mean()), abs=0.05)


def test_it_is_the_same_every_time() -> None:
    assert torch.equal(blended().train.raw, blended().train.raw)


def test_patches_are_cut_where_they_should_be() -> None:
    picture = torch.arange(30.0 * 40).view(1, 1, 30, 40)
    photos = Split(torch.cat([picture, -picture]), torch.zeros(2, dtype=torch.int64), lambda raw: raw)
    places = torch.tensor([[0.0, 0.0], [0.999, 0.999]]).numpy()
    first, last = _patches(photos, torch.tensor([1, 0]), places)
    assert first.shape == (1, PATCH_PIXELS, PATCH_PIXELS)
    assert torch.equal(first[0], -picture[0, 0, :28, :28])
    assert torch.equal(last[0], picture[0, 0, 2:, 12:])


@pytest.mark.parametrize(
    ("patches", "said"),
    [
        ("digits", "patches = digits: not valid; valid: images of 28x28 or more"),
        ("cifar10", "patches = cifar10: cifar10: .* not found .* or take them from two photos: patches = photos"),
    ],
)
def test_what_gives_no_patches_is_refused(patches: str, said: str) -> None:
    plugin = load_registry().create("dataset", "digits-blended", {"patches": patches})
    with pytest.raises(InputError, match=said):
        plugin.load(NOWHERE)


@pytest.mark.realdata
def test_mnist_is_blended_into_photos(real_data: Path) -> None:
    data = load_registry().create("dataset", "mnist-blended", {"patches": "photos"}).load(DataContext(real_data))
    mnist = load_registry().create("dataset", "mnist").load(DataContext(real_data))
    assert data.spec == mnist.spec
    assert torch.equal(data.train.targets, mnist.train.targets)
