from __future__ import annotations

import datasets
import huggingface_hub.constants
import pytest
import torch

from stalefl.contracts import InputError
from stalefl.data.sources import _offline, downloading, split_off_test


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


def test_a_share_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="leaves no training or no test samples"):
        split_off_test(torch.tensor([0, 1]), 0.1, "x")


def test_the_offline_switch_is_put_back() -> None:
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    with _offline():
        assert datasets.config.HF_HUB_OFFLINE
        assert huggingface_hub.constants.HF_HUB_OFFLINE
    assert before == (datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE)
