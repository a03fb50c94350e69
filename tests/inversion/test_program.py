from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stalefl.contracts import LocalTraining
from stalefl.inversion.d_rec import DRec
from stalefl.inversion.program import Program
from stalefl.training.local_update import local_update
from tests.fixtures import TRAINING, model_of, samples, tiny_mlp

MODEL, WEIGHTS, BUFFERS = tiny_mlp()


def test_as_many_steps_as_the_client_makes_each_on_all_samples() -> None:
    mini_batches = LocalTraining(local_epochs=3, batch_size=4, lr=0.1)
    program = Program.of_client(MODEL, mini_batches, BUFFERS, samples=10)
    assert program.steps == 9
    inputs, targets = samples(5)
    expected = local_update(MODEL, WEIGHTS, BUFFERS, inputs, targets, LocalTraining(local_epochs=9, lr=0.1)).delta
    assert torch.equal(program.run(WEIGHTS, inputs, targets), expected)


def test_training_on_recovered_data_is_training_on_their_labels() -> None:
    inputs, _ = samples(3)
    data = DRec(inputs, torch.tensor([[0.0, 3.0, 1.0], [2.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), "hard")
    program = Program.of_client(MODEL, TRAINING, BUFFERS, samples=12)
    assert torch.equal(program.train_on(data, WEIGHTS), program.run(WEIGHTS, inputs, torch.eye(3)[[1, 0, 2]]))


def test_the_delta_is_differentiable_with_respect_to_inputs_and_labels() -> None:
    inputs, targets = samples(3)
    inputs, labels = inputs.requires_grad_(), torch.eye(3)[targets].requires_grad_()
    program = Program.of_client(MODEL, TRAINING, BUFFERS, samples=12)
    program.run(WEIGHTS, inputs, labels, create_graph=True).square().sum().backward()
    assert all(t.grad is not None and t.grad.any() for t in (inputs, labels))
    assert not program.run(WEIGHTS, inputs, labels).requires_grad


def slope(logits: Tensor, labels: Tensor) -> Tensor:
    """A loss of which every gradient is constant where the model is linear."""
    return (logits * labels).sum()


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("replay_steps", [1, 3, 11])
def test_fewer_steps_reach_as_far_along_a_constant_gradient(momentum: float, nesterov: bool, replay_steps: int) -> None:
    model, weights, buffers = model_of(nn.Linear(4, 3))
    training = LocalTraining(local_epochs=12, lr=0.01, momentum=momentum, nesterov=nesterov and momentum > 0)
    inputs, labels = samples(6)[0], torch.eye(3)[samples(6)[1]]
    whole, shorter = (
        Program.of_client(model, training, buffers, samples=6, replay_steps=steps, loss=slope)
        for steps in (0, replay_steps)
    )
    assert (whole.steps, shorter.steps) == (12, replay_steps)
    far = whole.run(weights, inputs, labels)
    assert far.norm() > 0.1
    torch.testing.assert_close(shorter.run(weights, inputs, labels), far, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("replay_steps", [0, 3, 4])
def test_a_program_that_is_no_longer_is_replayed_as_it_is(replay_steps: int) -> None:
    program = Program.of_client(MODEL, TRAINING, BUFFERS, samples=12, replay_steps=replay_steps)
    assert (program.steps, program.training) == (3, TRAINING)
