from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stalefl.contracts import LocalTraining
from stalefl.training.optimizers import Adam, Optimizer, OptimizerState, Sgd, make_optimizer

GRADIENTS = [torch.tensor([0.5, -2.0, 0.0]), torch.tensor([-0.1, 3.0, 0.0]), torch.tensor([0.2, 0.0, 1e-3])]
START = torch.tensor([1.0, -1.0, 0.5])


def moved(optimizer: Optimizer, gradients: list[Tensor]) -> list[Tensor]:
    """The position after every step."""
    position, state, positions = [START], OptimizerState(), []
    for gradient in gradients:
        position, state = optimizer.step(position, [gradient], state)
        positions.append(position[0])
    return positions


def moved_by_torch(make: type[torch.optim.Optimizer], settings: dict[str, float]) -> list[Tensor]:
    parameter = START.clone().requires_grad_()
    optimizer, positions = make([parameter], **settings), []
    for gradient in GRADIENTS:
        parameter.grad = gradient.clone()
        optimizer.step()
        positions.append(parameter.detach().clone())
    return positions


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Sgd, torch.optim.SGD), (Adam, torch.optim.Adam)],
    ids=["sgd", "adam"],
)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_every_step_is_that_of_torch(
    ours: type[Optimizer], theirs: type[torch.optim.Optimizer], weight_decay: float
) -> None:
    settings = {"lr": 0.1, "weight_decay": weight_decay}
    if ours is Sgd:
        settings |= {"momentum": 0.9, "nesterov": True}
    expected = moved_by_torch(theirs, settings)
    torch.testing.assert_close(moved(ours(**settings), GRADIENTS), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("optimizer", [Sgd(0.1, 0.9, 0.1, True), Adam(0.1, 0.1)], ids=["sgd", "adam"])
def test_a_step_changes_nothing_in_place(optimizer: Optimizer) -> None:
    gradient = GRADIENTS[0].clone()
    position, state = optimizer.step([START.clone()], [gradient], OptimizerState())
    given = [*position, gradient, *state.first, *state.second]
    before = [tensor.clone() for tensor in given]
    optimizer.step(position, [gradient], state)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_path_length_of_sgd_is_that_of_many_steps_against_a_constant_gradient(momentum: float) -> None:
    training = LocalTraining(local_epochs=1000, lr=0.1, momentum=momentum)
    end = moved(make_optimizer(training), [gradient := torch.tensor([0.5, -0.25, 2.0])] * 1000)[-1]
    assert torch.allclose((START - end) / gradient, torch.tensor(training.path_length(samples=6)), rtol=0.01)


def test_the_path_length_of_adam_is_how_far_it_goes_whatever_the_gradient() -> None:
    training = LocalTraining(local_epochs=20, lr=0.1, optimizer="adam")
    end = moved(make_optimizer(training), [gradient := torch.tensor([0.5, -0.25, 2.0])] * 20)[-1]
    assert torch.allclose(START - end, training.path_length(samples=6) * gradient.sign(), rtol=1e-3)
