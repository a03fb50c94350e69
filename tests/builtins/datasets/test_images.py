from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stalefl.builtins.datasets.images import Normalise, channel_statistics
from stalefl.contracts import InputError


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


def test_one_value_stands_for_all_channels() -> None:
    assert channel_statistics((), (0.2,), 3, 0.5, "x") == ((0.5,) * 3, (0.2,) * 3)
    assert channel_statistics((0.1, 0.2, 0.3), (), 3, 0.5, "x") == ((0.1, 0.2, 0.3), (0.5,) * 3)


@pytest.mark.parametrize(("mean", "std"), [((0.1, 0.2), ()), ((), (0.1,) * 4), ((), (0.0,)), ((), (-1.0,))])
def test_statistics_that_do_not_fit_are_refused(mean: tuple, std: tuple) -> None:
    with pytest.raises(InputError, match="x: (mean|std)"):
        channel_statistics(mean, std, 3, 0.5, "x")
