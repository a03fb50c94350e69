from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stalefl.builtins.compensators.first_order import FirstOrder, FirstOrderOptions
from stalefl.contracts import Compensated, LocalTraining
from tests.fixtures import update, view

# 5 epochs in 2 batches of lr 0.1 and momentum 0.5: a path of 0.1 * 10 / 0.5 = 2 per unit of gradient.
TRAINING = LocalTraining(local_epochs=5, batch_size=4, lr=0.1, momentum=0.5)


def compensated(strength: float, weights: list[float], base: list[float]) -> Compensated:
    late = update([1.0, -2.0, 3.0], samples=8, staleness_rounds=4, base_weights=base)
    method = FirstOrder(FirstOrderOptions(strength=strength))
    return method.compensate(late, view(weights, training=TRAINING), {})


def test_literal_numbers() -> None:
    """delta - (0.5 / 2) * delta^2 * (w - w_base), with moves of 2, 1 and 0."""
    result = compensated(0.5, [3.0, 1.0, 7.0], [1.0, 0.0, 7.0])
    assert result.delta.tolist() == [1.0 - 0.25 * 1 * 2, -2.0 - 0.25 * 4 * 1, 3.0]
    assert result.weight == 8.0


def test_equals_dc_asgd_in_gradient_form_for_one_step() -> None:
    """g + lambda g * g * (w - w_base) with g = -delta / lr."""
    lr, strength = 0.1, 0.04
    base, weights, gradient = torch.tensor([1.0, 2.0]), torch.tensor([1.5, 1.0]), torch.tensor([0.3, -0.7])
    method = FirstOrder(FirstOrderOptions(strength=strength))
    now = view(weights, training=LocalTraining(local_epochs=1, lr=lr))
    result = method.compensate(update(-lr * gradient, staleness_rounds=1, base_weights=base), now, {})
    assert torch.allclose(result.delta, -lr * (gradient + strength * gradient.square() * (weights - base)))


@pytest.mark.parametrize(("strength", "weights"), [(0.0, [3.0, 1.0, 7.0]), (0.5, [1.0, 0.0, 7.0])])
def test_nothing_changes_without_strength_or_where_the_model_has_not_moved(
    strength: float, weights: list[float]
) -> None:
    assert compensated(strength, weights, [1.0, 0.0, 7.0]).delta.tolist() == [1.0, -2.0, 3.0]


def test_with_adam_the_gradient_form_is_the_mean_direction_in_units_of_lr() -> None:
    """delta - (0.5 / 1) * delta^2 * (w - w_base): a path of 0.1 * 10, no momentum."""
    now = view([3.0, 1.0, 7.0], training=replace(TRAINING, optimizer="adam"))
    late = update([1.0, -2.0, 3.0], samples=8, staleness_rounds=4, base_weights=[1.0, 0.0, 7.0])
    result = FirstOrder(FirstOrderOptions(strength=0.5)).compensate(late, now, {})
    assert result.delta.tolist() == [1.0 - 0.5 * 1 * 2, -2.0 - 0.5 * 4 * 1, 3.0]
