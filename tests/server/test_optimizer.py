from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.builtins.compensators.fedbuff import FedBuff
from stalefl.builtins.compensators.unweighted import Unweighted
from stalefl.builtins.compensators.w_pred import WPred, WPredOptions
from stalefl.config.schema import ServerTable
from stalefl.contracts import Compensator, Contribution, InputError, Options, State
from stalefl.server.optimizer import KEY, with_server_optimizer
from tests.fixtures import update, view

MOVES = ([1.0, -2.0], [3.0, 0.0])


def served(optimizer: str, lr: float, method: Compensator | None = None, **more: float) -> Compensator:
    settings = ServerTable.model_validate({"optimizer": optimizer, "lr": lr, **more})
    return with_server_optimizer(method or Unweighted(Options()), "unweighted", settings)


def steps(method: Compensator) -> list[list[float]]:
    """How far two rounds take the weights 0, 0, with one update each."""
    weights, state, found = torch.zeros(2), method.init(view([0.0, 0.0])), []
    for move in MOVES:
        before = weights
        weights, state = one_round(method, before, torch.tensor(move), state)
        found.append((weights - before).tolist())
    return found


def one_round(method: Compensator, weights: Tensor, move: Tensor, state: State) -> tuple[Tensor, State]:
    seen, arrived = view(weights.tolist()), update(move.tolist())
    compensated = method.compensate(arrived, seen, method.prepare([(arrived, seen)], state))
    contribution = Contribution(arrived, compensated.delta, compensated.weight)
    weights, state = method.aggregate([contribution], seen, compensated.state)
    return method.refine(weights, seen, state)


def test_fedavg_is_the_method_itself() -> None:
    method = Unweighted(Options())
    assert with_server_optimizer(method, "unweighted", ServerTable()) is method


@pytest.mark.parametrize(
    ("optimizer", "lr", "more", "expected"),
    [
        ("mean", 0.5, {}, [[0.5, -1.0], [1.5, 0.0]]),
        ("momentum", 1.0, {"beta_1": 0.5}, [[1.0, -2.0], [3.5, -1.0]]),
        # m = .5, -1 and v = .5, 2; then m = 1.75, -.5 and v = 4.75, 1, where amsgrad keeps the 2.
        ("adam", 0.1, {"beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-9}, [[0.0707107, -0.0707107], [0.0802955, -0.05]]),
        (
            "amsgrad",
            0.1,
            {"beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-9},
            [[0.0707107, -0.0707107], [0.0802955, -0.0353553]],
        ),
    ],
)
def test_two_steps_by_hand(optimizer: str, lr: float, more: dict[str, float], expected: list[list[float]]) -> None:
    assert steps(served(optimizer, lr, **more)) == [pytest.approx(step, abs=1e-6) for step in expected]


def test_a_method_sees_its_own_state_and_the_step_that_was_made() -> None:
    """w-pred's velocity follows the model's moves, which the optimiser makes."""
    options = WPredOptions(gamma=0.5)
    method = served("mean", 0.5, WPred(options))
    state = method.init(view([0.0, 0.0]))
    assert set(state) == {"velocity", KEY}
    _, state = one_round(method, torch.zeros(2), torch.tensor([4.0, 8.0]), state)
    assert state["velocity"].tolist() == [1.0, 2.0]
    assert set(state) == {"velocity", KEY}


def test_a_method_with_a_step_of_its_own_is_refused() -> None:
    fedbuff: Any = FedBuff(FedBuff.Options())
    with pytest.raises(InputError, match="fedbuff has a step of its own at the server"):
        with_server_optimizer(fedbuff, "fedbuff", ServerTable(optimizer="adam", lr=0.01))
