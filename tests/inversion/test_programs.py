"""The inversion replays every local program that clients can run."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from stalefl.contracts import LocalTraining
from stalefl.inversion.d_rec import random_data
from stalefl.inversion.fit import FitSettings, Target, fit_data
from stalefl.inversion.program import Program
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from tests.fixtures import SPEC, Parts, batch_norm_model, model_of, samples, tiny_mlp

NESTEROV = LocalTraining(local_epochs=3, lr=0.1, momentum=0.8, weight_decay=0.01, nesterov=True)
ADAM = LocalTraining(local_epochs=3, lr=0.01, weight_decay=0.01, optimizer="adam")
FEDPROX = LocalTraining(local_epochs=3, lr=0.1, momentum=0.5, proximal_mu=1.0)
MINI_BATCHES = LocalTraining(local_epochs=2, batch_size=4, lr=0.1, momentum=0.5)
ADAM_MINI_BATCHES = LocalTraining(local_epochs=2, batch_size=4, lr=0.01, optimizer="adam")


def batch_norm_without_bias() -> Parts:
    """A bias before a batch norm has no gradient but rounding; Adam makes whole steps of that, beyond any replay."""
    return model_of(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


@pytest.mark.parametrize("parts", [tiny_mlp(), batch_norm_without_bias()], ids=["mlp", "batch-norm"])
@pytest.mark.parametrize("training", [NESTEROV, ADAM, FEDPROX], ids=["nesterov", "adam", "fedprox"])
def test_the_replay_on_the_clients_own_data_is_its_update(parts: Parts, training: LocalTraining) -> None:
    model, weights, buffers = parts
    inputs, targets = samples(12)
    delta = local_update(model, weights, buffers, inputs, targets, training).delta
    program = Program.of_client(model, training, buffers, samples=12)
    replayed = program.run(weights, inputs, one_hot(targets, 3).float())
    assert torch.allclose(replayed, delta, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("parts", "training", "share"),
    [
        (tiny_mlp(), NESTEROV, 0.1),
        (tiny_mlp(), FEDPROX, 0.1),
        (tiny_mlp(), MINI_BATCHES, 0.1),
        (batch_norm_model(), NESTEROV, 0.1),
        (tiny_mlp(), ADAM, 0.6),
        (tiny_mlp(), ADAM_MINI_BATCHES, 0.25),
        (batch_norm_without_bias(), ADAM, 0.25),
    ],
    ids=["nesterov", "fedprox", "mini-batches", "batch-norm", "adam", "adam-mini-batches", "adam-batch-norm"],
)
def test_fitting_a_real_update_leaves_a_small_share_of_the_loss(
    parts: Parts, training: LocalTraining, share: float
) -> None:
    """Adam's steps are little more than signs: the loss is flat between them, and some signs stay wrong."""
    model, weights, buffers = parts
    delta = local_update(model, weights, buffers, *samples(12), training, named_generator(0, "local-training")).delta
    program = Program.of_client(model, training, buffers, samples=12)
    start = random_data(SPEC, 12, named_generator(0, "inversion"), torch.device("cpu"))
    settings = FitSettings(iterations=200, learning_rate=0.05)
    losses = fit_data(program, [Target(weights, delta)], SPEC, start, settings, named_generator(0, "inversion")).losses
    assert losses[-1] < share * losses[0]
