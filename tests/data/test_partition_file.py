from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stalefl.contracts import InputError
from stalefl.data.partition import Partition
from stalefl.data.partition_file import PARTITION_FORMAT, _digest, load_partition, save_partition
from stalefl.storage import METADATA_KEY

PARTITION = Partition((np.array([0, 4]), np.array([1, 2, 7])))


def write(path: Path, indices: list[int], sizes: list[int], late: list[int], meta: object = None) -> None:
    """A file whose digest is right and whose content may not be."""
    arrays = {
        "indices": np.array(indices, dtype=np.int64),
        "sizes": np.array(sizes, dtype=np.int64),
        "late_clients": np.array(late, dtype=np.int64),
    }
    meta = {} if meta is None else meta
    header = {"format": PARTITION_FORMAT, "digest": _digest(arrays, meta), "meta": meta}  # type: ignore[arg-type]
    save_file(arrays, path, metadata={METADATA_KEY: json.dumps(header)})


@pytest.mark.parametrize("late", [(), (1,), (0, 1)])
def test_what_was_saved_is_loaded(tmp_path: Path, late: tuple[int, ...]) -> None:
    meta = {"dataset": "digits", "seed": 3, "partition": {"alpha": 0.1}}
    save_partition(tmp_path / "p.safetensors", PARTITION, late, meta)
    partition, late_clients, stored = load_partition(tmp_path / "p.safetensors")
    assert [own.tolist() for own in partition.indices] == [[0, 4], [1, 2, 7]]
    assert late_clients == late
    assert stored == meta
    assert [path.name for path in tmp_path.iterdir()] == ["p.safetensors"]


def test_the_same_partition_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save_partition(tmp_path / name, PARTITION, (1,), {"b": 1, "a": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no partition file .*none"):
        load_partition(tmp_path / "none")


def test_any_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "p"
    save_partition(path, PARTITION, (1,), {"seed": 0})
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(InputError):
            load_partition(path)


@pytest.mark.parametrize("length", [0, 7, 200, -1])
def test_a_truncated_file_is_damaged(tmp_path: Path, length: int) -> None:
    path = tmp_path / "p"
    save_partition(path, PARTITION, (1,), {})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="damaged"):
        load_partition(path)


def test_other_safetensors_are_refused(tmp_path: Path) -> None:
    save_file({"weight": np.zeros(3)}, tmp_path / "w")
    with pytest.raises(InputError, match="not a partition"):
        load_partition(tmp_path / "w")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (([0, 1], [1, 2], []), "do not add up"),
        (([0, 1], [2, 0], []), "do not add up"),
        (([0, 0], [1, 1], []), "listed twice"),
        (([-1, 0], [1, 1], []), "negative"),
        (([1, 0], [2], []), "not sorted"),
        (([0, 1], [1, 1], [2]), "late client"),
        (([0, 1], [1, 1], [1, 1]), "late client"),
        (([0, 1], [1, 1], [], [1]), "not a table"),
    ],
)
def test_impossible_content_is_refused(tmp_path: Path, content: tuple, said: str) -> None:
    write(tmp_path / "p", *content)
    with pytest.raises(InputError, match=said):
        load_partition(tmp_path / "p")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        save_partition(tmp_path / "no" / "p", PARTITION, (), {})
