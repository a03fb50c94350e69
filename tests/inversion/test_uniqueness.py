from __future__ import annotations

import pytest
import torch

from stalefl.inversion.uniqueness import Rule, cosine_distances, uniqueness

EAST, NORTH, WEST = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 5.0]), torch.tensor([-1.0, 0.0])


def test_cosine_distances_are_of_directions_alone() -> None:
    found = cosine_distances(torch.stack([EAST, torch.zeros(2)]), torch.stack([EAST, NORTH, WEST]))
    torch.testing.assert_close(found, torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]))


@pytest.mark.parametrize(
    ("rule", "distance"),
    # cos(45 degrees) from east and north, cos(135 degrees) from west
    [("nearest", 1 - 0.5**0.5), ("mean", 1 - 0.5**0.5 / 3)],
)
def test_the_distance_is_from_the_nearest_or_on_mean(rule: Rule, distance: float) -> None:
    found = uniqueness(torch.tensor([1.0, 1.0]), [EAST, NORTH, WEST], rule)
    assert found.distance == pytest.approx(distance)


@pytest.mark.parametrize(("rule", "threshold"), [("mean", 8 / 9), ("nearest", 4 / 9)])
def test_the_threshold_is_the_mean_over_all_ordered_pairs_each_with_itself_or_half_of_it(
    rule: Rule, threshold: float
) -> None:
    """East, north, west: 0 thrice, east-north and north-west 1, east-west 2, each of these twice: 8 / 9."""
    assert uniqueness(NORTH, [EAST, NORTH, WEST], rule).threshold == pytest.approx(threshold)


def test_what_somebody_on_time_knows_is_not_unique() -> None:
    assert not uniqueness(3 * NORTH, [EAST, NORTH, WEST], "nearest").unique
    assert uniqueness(-NORTH, [EAST, NORTH, WEST], "nearest").unique  # 1 from east and west, above 4 / 9
    assert not uniqueness(NORTH, [EAST, NORTH, WEST], "mean").unique  # 2 / 3
    assert uniqueness(-NORTH, [EAST, NORTH, WEST], "mean").unique  # 4 / 3


def test_without_updates_on_time_everything_is_unique() -> None:
    assert uniqueness(EAST, [], "nearest") == (1.0, 0.0)
    assert uniqueness(torch.zeros(2), [], "mean").unique


def test_an_update_of_zero_is_at_distance_one_from_all() -> None:
    assert uniqueness(torch.zeros(2), [EAST, NORTH], "nearest").distance == 1
    assert uniqueness(torch.zeros(2), [EAST, NORTH], "mean").distance == 1
