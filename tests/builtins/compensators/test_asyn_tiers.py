from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from stalefl.builtins.compensators.asyn_tiers import AsynTiers, AsynTiersOptions
from stalefl.contracts import Contribution, State
from tests.fixtures import update, view


def contribution(delta: list[float], weight: float, staleness_rounds: int, base: list[float]) -> Contribution:
    late = update(delta, staleness_rounds=staleness_rounds, base_weights=base)
    return Contribution(late, late.delta, weight)


# Two on-time clients with 1 and 3 samples move by (1, 0) on average, a late one with 4 samples by (0, 8).
FAST = [contribution([4.0, 0.0], 1.0, 0, [1.0, 1.0]), contribution([0.0, 0.0], 3.0, 0, [1.0, 1.0])]
LATE = contribution([0.0, 8.0], 4.0, 20, [5.0, 5.0])


def method(**options: Any) -> AsynTiers:
    return AsynTiers(AsynTiersOptions(**options))


def state(reports: list[int], **known: Any) -> State:
    return {"reports": reports, "models": {}, "samples": [0.0] * len(reports), **known}


def test_starts_without_reports() -> None:
    assert method(boundaries_rounds=(0, 10)).init(view()) == state([0, 0, 0])


def test_both_tiers_equally_often_and_with_as_many_samples_share_evenly() -> None:
    weights, after = method().aggregate([*FAST, LATE], view([1.0, 1.0]), state([0, 0]))
    assert weights.tolist() == [1.0 + 0.5 * 1, 1.0 + 0.5 * 8]
    assert after == {"reports": [1, 1], "models": {}, "samples": [4.0, 4.0]}


def test_the_rarer_tier_weighs_more() -> None:
    """After this round the tiers have reported 3 times and once: shares 1/4 and 3/4."""
    weights, after = method().aggregate([*FAST, LATE], view([1.0, 1.0]), state([2, 0]))
    assert weights.tolist() == [1.0 + 0.25 * 1, 1.0 + 0.75 * 8]
    assert after["reports"] == [3, 1]


def test_samples_count_too() -> None:
    few = contribution([0.0, 8.0], 1.0, 20, [5.0, 5.0])
    weights, _ = method().aggregate([*FAST, few], view([1.0, 1.0]), state([0, 0]))
    assert weights.tolist() == pytest.approx([1.0 + 0.8 * 1, 1.0 + 0.2 * 8])


def test_a_tier_alone_in_its_round_is_fedavg() -> None:
    weights, after = method().aggregate(FAST, view([1.0, 1.0]), state([6, 2]))
    assert weights.tolist() == [2.0, 1.0]
    assert after["reports"] == [7, 2]


def test_models_mode_averages_the_tiers_models() -> None:
    """Tier models (2, 1) and (5, 13), shares 1/4 and 3/4."""
    weights, after = method(average="models").aggregate([*FAST, LATE], view([1.0, 1.0]), state([2, 0]))
    assert weights.tolist() == [0.25 * 2 + 0.75 * 5, 0.25 * 1 + 0.75 * 13]
    assert {m: model.tolist() for m, model in after["models"].items()} == {0: [2.0, 1.0], 1: [5.0, 13.0]}


def test_models_mode_keeps_a_silent_tiers_last_model() -> None:
    """The late tier, silent this round, reported once with 4 samples, the fast one now thrice: shares 1/4, 3/4."""
    before = state([2, 1], models={1: torch.tensor([5.0, 13.0])}, samples=[4.0, 4.0])
    weights, after = method(average="models").aggregate(FAST, view([1.0, 1.0]), before)
    assert weights.tolist() == [0.25 * 2 + 0.75 * 5, 0.25 * 1 + 0.75 * 13]
    assert after["reports"] == [3, 1]
    assert before["reports"] == [2, 1]
    assert list(before["models"]) == [1]


def test_three_tiers_by_staleness() -> None:
    members = [contribution([1.0, 0.0], 1.0, s, [0.0, 0.0]) for s in (0, 1, 10, 11, 99)]
    _, after = method(boundaries_rounds=(0, 10)).aggregate(members, view(), state([0, 0, 0]))
    assert after["samples"] == [1.0, 2.0, 2.0]


@pytest.mark.parametrize("boundaries", [(10, 0), (3, 3), (-1, 4)])
def test_boundaries_must_ascend(boundaries: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="must ascend"):
        AsynTiersOptions(boundaries_rounds=boundaries)
