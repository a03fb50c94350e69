from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stalefl.builtins.datasets.idx import find_idx, read_idx
from stalefl.contracts import InputError
from tests.builtins.datasets.pictures import write_idx

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, ARRAY, compressed=name.endswith("gz"))
    assert find_idx(tmp_path, "images") == tmp_path / name
    assert read_idx(tmp_path / name, dimensions=3).tolist() == ARRAY.tolist()


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("keep", [0, 3, 12, -5])
def test_a_truncated_file_is_named(tmp_path: Path, name: str, keep: int) -> None:
    path = tmp_path / name
    write_idx(path, ARRAY, compressed=name.endswith("gz"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"{name} is damaged"):
        read_idx(path, dimensions=3)


def test_a_changed_byte_in_a_gz_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    write_idx(path, ARRAY, compressed=True)
    content = bytearray(path.read_bytes())
    content[30] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        read_idx(path, dimensions=3)


def test_labels_are_not_images(tmp_path: Path) -> None:
    write_idx(tmp_path / "labels", np.zeros(5, dtype=np.uint8))
    with pytest.raises(InputError, match="does not begin as an idx file of bytes in 3 dimension"):
        read_idx(tmp_path / "labels", dimensions=3)


def test_more_bytes_than_promised_are_noticed(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", ARRAY)
    with (tmp_path / "images").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="25 bytes of data or more where its header promises 24"):
        read_idx(tmp_path / "images", dimensions=3)


def test_a_shape_that_no_memory_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(bytes((0, 0, 8, 3)) + b"\xff" * 12 + b"1234")
    with pytest.raises(
        InputError, match="images says that it holds .* bytes: .* GiB of memory are free; fetch it anew"
    ):
        read_idx(tmp_path / "images", dimensions=3)
