from __future__ import annotations

import torch

from stalefl.contracts import InputSpec
from stalefl.training.value_range import UnitRange, bounds, to_unit

TWO_CHANNELS = InputSpec((2, 1, 2), 2, ((-1.0, 0.0), (1.0, 10.0)))


def test_bounds_go_channel_by_channel_with_a_batch() -> None:
    low, high = bounds(InputSpec((2, 1, 3), 10, ((-1.0, 0.0), (1.0, 4.0))))
    clamped = torch.full((5, 2, 1, 3), 9.0).clamp(low, high)
    assert low.flatten().tolist() == [-1.0, 0.0]
    assert clamped[0, :, 0, 0].tolist() == [1.0, 4.0]
    assert bounds(InputSpec((2,), 10, ((0.0, 0.0), (1.0, 1.0))), dtype=torch.float64)[0].dtype == torch.float64


def test_every_channel_is_scaled_by_its_own_range_and_back() -> None:
    inputs = torch.tensor([[[[-1.0, 0.5]], [[5.0, 12.0]]]])
    assert to_unit(inputs, TWO_CHANNELS).flatten().tolist() == [0.0, 0.75, 0.5, 1.0]
    unit = UnitRange.of(TWO_CHANNELS, dtype=torch.float64)
    assert unit.unclipped(inputs.double()).flatten().tolist() == [0.0, 0.75, 0.5, 1.2]
    assert unit.to_inputs(unit.to_unit(inputs.double())).flatten().tolist() == [-1.0, 0.5, 5.0, 10.0]


def test_a_channel_of_one_value_only_is_zero() -> None:
    constant = InputSpec((1, 1, 1), 2, ((3.0,), (3.0,)))
    assert to_unit(torch.tensor([[[[3.0]]]]), constant).flatten().tolist() == [0.0]
    assert UnitRange.of(constant).to_inputs(torch.tensor([[[[0.0]]]])).flatten().tolist() == [3.0]


def test_finished_inputs_do_not_leave_the_range_by_rounding() -> None:
    low, high = -2.429065942764282, 2.5140879154205322
    unit = UnitRange.of(InputSpec((1, 1, 1), 2, ((low,), (high,))), dtype=torch.float64)
    ends = unit.finished(torch.tensor([0.0, 1.0]).double().view(2, 1, 1, 1)).flatten()
    assert ends.tolist() == torch.tensor([low, high]).tolist()
