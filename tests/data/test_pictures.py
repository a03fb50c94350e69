from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stalefl.contracts import InputError
from stalefl.data.pictures import as_colours, read_picture, stack_pictures
from tests.builtins.datasets.pictures import encoded


def stored(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_pictures_are_decoded_channels_first(kind: str, mode: str, channels: int) -> None:
    pixels = read_picture(encoded(200, mode=mode, kind=kind), "x")
    assert (pixels.shape, pixels.dtype) == ((channels, 4, 6), np.uint8)
    assert pixels[0].mean() == pytest.approx(200, abs=3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    values = np.array([[0, 256, 257], [32768, 65534, 65535]], dtype=np.uint16)
    assert read_picture(stored(Image.fromarray(values), kind), "x").tolist() == [[[0, 1, 1], [128, 255, 255]]]


def test_one_bit_is_black_or_white() -> None:
    assert read_picture(stored(Image.fromarray(np.array([[True, False]]))), "x").tolist() == [[[255, 0]]]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_thirty_two_bits_are_refused(mode: str) -> None:
    with pytest.raises(InputError, match="x cannot be decoded: 32 bits a pixel; valid: 8 or 16"):
        read_picture(stored(Image.new(mode, (2, 2)), "TIFF"), "x")


@pytest.mark.parametrize(("orientation", "expected"), [(1, [[1, 2]]), (3, [[2, 1]]), (6, [[1], [2]]), (8, [[2], [1]])])
def test_a_picture_is_turned_as_it_says(orientation: int, expected: list[list[int]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.array([[1, 2]], dtype=np.uint8))
    assert read_picture(stored(image, exif=exif), "x")[0].tolist() == expected


def test_transparent_pixels_are_white() -> None:
    colour = Image.fromarray(np.array([[[9, 8, 7, 255], [0, 0, 0, 0]]], dtype=np.uint8))
    assert read_picture(stored(colour), "x")[:, 0].T.tolist() == [[9, 8, 7], [255, 255, 255]]
    grey = Image.fromarray(np.array([[[9, 255], [0, 0]]], dtype=np.uint8))
    assert read_picture(stored(grey), "x").tolist() == [[[9, 255]]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([1, 2, 3])
    assert read_picture(stored(palette, transparency=0), "x").flatten().tolist() == [255, 255, 255]


def test_palettes_and_cmyk_have_three_channels() -> None:
    palette = Image.new("P", (1, 1))
    palette.putpalette([1, 2, 3])
    assert read_picture(stored(palette), "x").flatten().tolist() == [1, 2, 3]
    assert read_picture(stored(Image.new("CMYK", (2, 3)), "TIFF"), "x").shape == (3, 3, 2)


def test_pictures_are_cropped_to_a_square() -> None:
    assert read_picture(encoded(9, size=(20, 8)), "x", 5).shape == (3, 5, 5)


def bomb() -> bytes:
    """A PNG that says that it has 40,000 x 40,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"\xff\xd8 no jpeg", encoded(1, kind="JPEG")[:150], encoded(1)[:50], bomb()]
)
def test_what_is_no_picture_is_named(content: bytes) -> None:
    with pytest.raises(InputError, match="^row 3 cannot be decoded: .") as caught:
        read_picture(content, "row 3")
    assert "0x" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_are_read_and_pipes_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(7))
    assert read_picture(tmp_path / "a.png", "x")[0, 0, 0] == 7
    os.mkfifo(tmp_path / "pipe.png")
    for name, said in (("pipe.png", "no regular file"), ("gone.png", "No such file"), ("", "no regular file")):
        with pytest.raises(InputError, match=f"x cannot be decoded: .*{said}"):
            read_picture(tmp_path / name, "x")


def test_a_stack_is_grey_only_if_all_pictures_are() -> None:
    grey, red = np.full((1, 1, 2), 5, np.uint8), np.array([[[9, 9]], [[0, 0]], [[1, 1]]], np.uint8)
    assert stack_pictures([grey, grey], 2, "x").shape == (2, 1, 1, 2)
    assert stack_pictures([grey, red, grey], 3, "x")[..., 0, 0].tolist() == [[5, 5, 5], [9, 0, 1], [5, 5, 5]]
    assert stack_pictures([as_colours(grey)], 1, "x").shape == (1, 3, 1, 2)


def test_images_of_several_sizes_need_image_size() -> None:
    with pytest.raises(InputError, match=r"x: images differ in size \(2x3 and 3x2\); give image_size"):
        stack_pictures([np.zeros((1, 2, 3), np.uint8), np.zeros((3, 3, 2), np.uint8)], 2, "x")


def test_no_images_are_refused() -> None:
    with pytest.raises(InputError, match="x: there are no images"):
        stack_pictures([], 0, "x")


def test_more_than_memory_holds_is_refused_before_it_is_read() -> None:
    with pytest.raises(InputError, match="x: 1000000000 pictures of 2000x3000: .* GiB of memory are free; valid: a sm"):
        stack_pictures([np.zeros((3, 2000, 3000), np.uint8)], 10**9, "x")
