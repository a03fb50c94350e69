from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stalefl.contracts import InputError
from stalefl.data.sources import downloading, find_source, split_off_test


def test_a_download_is_announced_on_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    with downloading("mnist", "here"):
        print("Extracting")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "downloading mnist to here\nExtracting\n"


def test_a_failed_download_is_bad_input() -> None:
    with pytest.raises(InputError, match="cannot download mnist to here: no route"), downloading("mnist", "here"):
        raise OSError("no route")


def test_a_share_of_every_class_is_split_off() -> None:
    targets = torch.tensor([0] * 10 + [1] * 20)
    train, test = split_off_test(targets, 0.2, "x")
    assert torch.bincount(targets[test]).tolist() == [2, 4]
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(30))
    assert torch.equal(split_off_test(targets, 0.2, "x")[1], test)


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.99])
def test_a_class_of_two_has_one_sample_in_either_part_and_a_single_one_trains(fraction: float) -> None:
    targets = torch.tensor([1, 0, 2, 1, 2, 2])
    train, test = split_off_test(targets, fraction, "x")
    assert torch.bincount(targets[train], minlength=3).tolist()[:2] == [1, 1]
    assert torch.bincount(targets[test], minlength=3).tolist() == [0, 1, 2 if fraction > 0.5 else 1]


def test_what_leaves_nothing_to_test_on_is_refused() -> None:
    with pytest.raises(InputError, match="x: no class has two samples"):
        split_off_test(torch.tensor([0, 1]), 0.9, "x")


@pytest.mark.parametrize("source", ["", "gone", "x" * 5000, "a\0b", "~nobody-here/x"])
def test_what_is_no_path_is_found_nowhere(tmp_path: Path, source: str) -> None:
    assert find_source(source, tmp_path) is None


def test_a_path_is_taken_as_given_or_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert find_source("a", tmp_path) == find_source(str(tmp_path / "a"), Path("nowhere")) == tmp_path / "a"
