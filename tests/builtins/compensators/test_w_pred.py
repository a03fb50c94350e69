from __future__ import annotations

import pytest
import torch

from stalefl.builtins.compensators.w_pred import WPred, WPredOptions
from tests.fixtures import view

METHOD = WPred(WPredOptions(gamma=0.5))


def test_the_momentum_averages_past_moves() -> None:
    """v = 0.5 v + 0.5 move: moves of (4, 0) and (0, 2) from rest give (2, 0), then (1, 1)."""
    state = METHOD.init(view([0.0, 0.0]))
    assert state["velocity"].tolist() == [0.0, 0.0]
    weights, state = METHOD.refine(torch.tensor([4.0, 0.0]), view([0.0, 0.0]), state)
    assert weights.tolist() == [4.0, 0.0]
    assert state["velocity"].tolist() == [2.0, 0.0]
    _, state = METHOD.refine(torch.tensor([4.0, 2.0]), view([4.0, 0.0]), state)
    assert state["velocity"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("tau", "horizon"), [(0, 0.0), (1, 0.5), (2, 0.75), (3, 0.875)])
def test_a_late_client_gets_the_predicted_model(tau: int, horizon: float) -> None:
    """w + v (0.5 + 0.25 + ...)."""
    state = {"velocity": torch.tensor([8.0, -4.0])}
    sent = METHOD.dispatch(3, view([1.0, 1.0], staleness_rounds=tau), state)
    assert sent.tolist() == [1.0 + 8 * horizon, 1.0 - 4 * horizon]
    assert state["velocity"].tolist() == [8.0, -4.0]


def test_without_momentum_nothing_is_predicted() -> None:
    state = {"velocity": torch.tensor([8.0, -4.0])}
    assert WPred(WPredOptions(gamma=0.0)).dispatch(3, view([1.0, 1.0], staleness_rounds=5), state).tolist() == [1, 1]
