from __future__ import annotations

import numpy as np
import pytest
import torch
from stalefl_timeseries.series import Series, of_one_length, series_dataset, stratified

from stalefl.contracts import InputError


def series(name: str, *channels: list[float]) -> Series:
    return Series(name, "a", np.array(channels, dtype=np.float32))


SHORT, LONG = series("short", [1, 3], [0, 4]), series("long", [1, 2, 3, 4], [0, 0, 0, 8])


def test_series_of_unequal_length_are_refused_and_named() -> None:
    with pytest.raises(InputError, match='^long has 4 steps, short has 2; valid: .* unequal = "pad" or "resample"$'):
        of_one_length([SHORT, SHORT, LONG], "error", 0)


def test_padding_holds_the_last_value() -> None:
    assert of_one_length([SHORT, LONG], "pad", 0).tolist()[0] == [[1, 3, 3, 3], [0, 4, 4, 4]]


def test_what_is_longer_is_cut() -> None:
    assert of_one_length([SHORT, LONG], "pad", 3).tolist() == [[[1, 3, 3], [0, 4, 4]], [[1, 2, 3], [0, 0, 0]]]


def test_resampling_is_linear_and_keeps_both_ends() -> None:
    assert of_one_length([SHORT, LONG], "resample", 3).tolist() == [[[1, 2, 3], [0, 2, 4]], [[1, 2.5, 4], [0, 0, 8]]]


def test_a_series_of_one_step_is_resampled_to_a_constant() -> None:
    assert of_one_length([series("one", [5])], "resample", 3).tolist() == [[[5, 5, 5]]]


def test_a_length_goes_with_padding_or_resampling() -> None:
    with pytest.raises(InputError, match="length = 3 goes with unequal"):
        of_one_length([SHORT], "error", 3)


def test_a_share_of_every_class_is_for_testing() -> None:
    targets = torch.tensor([0] * 10 + [1] * 5)
    train, test = stratified(targets, ("a", "b"), 0.2, seed=0)
    assert targets[test].bincount().tolist() == [2, 1]
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(15))


def test_the_share_is_drawn_by_its_seed() -> None:
    targets = torch.zeros(50, dtype=torch.int64)
    first, again, other = (stratified(targets, ("a",), 0.2, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_class_of_two_has_one_for_either() -> None:
    train, test = stratified(torch.tensor([0, 0]), ("a",), 0.01, seed=0)
    assert (len(train), len(test)) == (1, 1)


def test_a_class_of_one_series_is_named() -> None:
    with pytest.raises(InputError, match="class b has one series only"):
        stratified(torch.tensor([0, 0, 1]), ("a", "b"), 0.5, seed=0)


def test_channels_are_standardised_by_the_training_split_alone() -> None:
    train = np.array([[[0, 2], [10, 10]], [[0, 2], [30, 30]]]), torch.tensor([0, 1])
    test = np.array([[[1, 5], [20, 0]], [[1, 1], [20, 20]]]), torch.tensor([1, 0])
    dataset = series_dataset("d", train, test, ("a", "b"), ("x", "y"))
    assert dataset.train.take([0, 1])[0].tolist() == [[[-1, 1], [-1, -1]], [[-1, 1], [1, 1]]]
    assert (dataset.spec.shape, dataset.spec.space) == ((2, 2), "signal")
    assert dataset.spec.value_range == ((-1, -1), (1, 1))
    # 5 and 0 lie beyond what training has seen.
    assert dataset.test.take([0])[0].tolist() == [[[0, 1], [0, -1]]]


def test_a_channel_that_never_changes_is_named() -> None:
    values = np.array([[[0, 1], [3, 3]]])
    with pytest.raises(InputError, match="d: channel y never changes in the training split"):
        series_dataset("d", (values, torch.tensor([0])), (values, torch.tensor([0])), ("a",), ("x", "y"))


def test_a_class_without_series_in_a_split_is_named() -> None:
    values = np.array([[[0.0, 1.0]], [[1.0, 2.0]]])
    with pytest.raises(InputError, match="d: no series of class b in the test split"):
        series_dataset("d", (values, torch.tensor([0, 1])), (values, torch.tensor([0, 0])), ("a", "b"), ("x",))


def test_more_steps_than_memory_holds_are_refused() -> None:
    with pytest.raises(InputError, match="1 series of 1000000000000000 steps: .* memory are free; valid: a smaller"):
        of_one_length([SHORT], "resample", 10**15)
