from __future__ import annotations

import pytest
import torch

from stalefl.updates.surface import LocalLoss, Plane, loss_surface
from tests.fixtures import batch_norm_model, samples, tiny_mlp

MODEL, WEIGHTS, BUFFERS = tiny_mlp()
LOSS = LocalLoss(MODEL, BUFFERS, *samples(8))


def test_the_second_direction_is_orthogonal_and_as_long() -> None:
    plane = Plane.around(torch.zeros(3), torch.tensor([2.0, 0.0, 0.0]), torch.tensor([5.0, 0.0, -1.0]))
    assert plane.up.tolist() == [0.0, 0.0, -2.0]
    assert plane.at(1.0, 0.5).tolist() == [2.0, 0.0, -1.0]


def test_cosines_are_those_of_the_part_in_the_plane() -> None:
    plane = Plane.around(torch.zeros(3), torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))
    assert plane.cosines(torch.tensor([3.0, 4.0, 0.0])) == pytest.approx((0.6, 0.8))
    assert plane.cosines(torch.tensor([0.0, 0.0, 7.0])) == pytest.approx((0.0, 0.0))


def test_a_surface_holds_the_losses_of_its_points() -> None:
    descent = -LOSS.gradient(WEIGHTS)
    plane = Plane.around(WEIGHTS, 0.1 * descent / descent.norm(), torch.ones_like(WEIGHTS))
    surface = loss_surface(LOSS, plane, [-1.0, 0.0, 2.0])
    assert surface.losses[1, 1] == pytest.approx(LOSS.at(WEIGHTS))
    assert surface.losses[0, 2] == pytest.approx(LOSS.at(plane.at(2.0, -1.0)))
    assert surface.losses[1, 0] > surface.losses[1, 1] > surface.losses[1, 2]
    assert surface.descent == pytest.approx((1.0, 0.0), abs=1e-5)


def test_every_point_is_told() -> None:
    told: list[None] = []
    plane = Plane.around(WEIGHTS, torch.ones_like(WEIGHTS), LOSS.gradient(WEIGHTS))
    loss_surface(LOSS, plane, [0.0, 1.0], lambda: told.append(None))
    assert len(told) == 4


def test_batch_norm_statistics_stay_as_they_are() -> None:
    model, weights, buffers = batch_norm_model()
    loss = LocalLoss(model, buffers, *samples(8))
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    assert loss.at(weights) == loss.at(weights)
    loss.gradient(weights)
    assert all(torch.equal(before[name], buffer) for name, buffer in buffers.items())
