from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stalefl.builtins.datasets.images import (
    Normalise,
    channel_statistics,
    decode_image,
    stack_images,
)
from stalefl.contracts import InputError
from tests.builtins.datasets.pictures import encoded


@given(mean=st.floats(0, 1), std=st.floats(0.01, 2), raw=st.lists(st.integers(0, 255), min_size=1, max_size=8))
def test_no_normalised_pixel_leaves_the_declared_range(mean: float, std: float, raw: list[int]) -> None:
    normalise = Normalise((mean,), (std,))
    (least,), (greatest,) = normalise.value_range()
    inputs = normalise(torch.tensor(raw, dtype=torch.uint8).view(-1, 1, 1, 1))
    assert inputs.dtype == torch.float32
    assert least <= inputs.min() <= inputs.max() <= greatest
    assert inputs.flatten().tolist() == pytest.approx([(value / 255 - mean) / std for value in raw], abs=1e-4)


def test_channels_are_normalised_apart() -> None:
    inputs = Normalise((0.0, 0.5), (1.0, 0.5))(torch.full((1, 2, 1, 1), 255, dtype=torch.uint8))
    assert inputs.flatten().tolist() == [1.0, 1.0]
    assert Normalise((0.0, 0.5), (1.0, 0.5)).value_range() == ((0.0, -1.0), (1.0, 1.0))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_images_are_decoded_channels_first(kind: str, mode: str) -> None:
    pixels = decode_image(encoded(200, mode=mode, kind=kind), mode, 0)  # type: ignore[arg-type]
    channels = 1 if mode == "L" else 3
    assert pixels.shape == (channels, 4, 6)
    assert pixels.dtype == np.uint8
    assert pixels[0].mean() == pytest.approx(200, abs=3)


def test_images_are_cropped_to_a_square() -> None:
    assert decode_image(encoded(9, size=(20, 8)), "RGB", 5).shape == (3, 5, 5)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8 no jpeg", encoded(1, kind="JPEG")[:150]])
def test_what_is_no_image_cannot_be_decoded(content: bytes) -> None:
    with pytest.raises(OSError, match="image|Truncated"):
        decode_image(content, "RGB", 0)


def test_images_of_several_sizes_need_image_size() -> None:
    with pytest.raises(InputError, match="x: images differ in size \\(2x3 and 3x2\\); give image_size"):
        stack_images([np.zeros((1, 2, 3), np.uint8), np.zeros((1, 3, 2), np.uint8)], 2, "x")


def test_no_images_are_refused() -> None:
    with pytest.raises(InputError, match="x: there are no images"):
        stack_images([], 0, "x")


def test_one_value_stands_for_all_channels() -> None:
    assert channel_statistics((), (0.2,), 3, 0.5, "x") == ((0.5,) * 3, (0.2,) * 3)
    assert channel_statistics((0.1, 0.2, 0.3), (), 3, 0.5, "x") == ((0.1, 0.2, 0.3), (0.5,) * 3)


@pytest.mark.parametrize(("mean", "std"), [((0.1, 0.2), ()), ((), (0.1,) * 4), ((), (0.0,)), ((), (-1.0,))])
def test_statistics_that_do_not_fit_are_refused(mean: tuple, std: tuple) -> None:
    with pytest.raises(InputError, match="x: (mean|std)"):
        channel_statistics(mean, std, 3, 0.5, "x")
