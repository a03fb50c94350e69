from __future__ import annotations

import pytest
import torch

from stalefl.contracts import LocalTraining
from stalefl.training.batched_update import functional_update
from stalefl.training.local_update import local_update
from tests.fixtures import Parts, batch_norm_model, samples, tiny_mlp

PROGRAMS = {
    "plain": LocalTraining(local_epochs=4, lr=0.1),
    "nesterov and decay": LocalTraining(local_epochs=4, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "proximal": LocalTraining(local_epochs=4, lr=0.1, proximal_mu=0.5),
    "adam": LocalTraining(local_epochs=4, lr=0.01, optimizer="adam"),
}


@pytest.mark.parametrize("parts", [tiny_mlp(), batch_norm_model()], ids=["mlp", "batch norm"])
@pytest.mark.parametrize("training", PROGRAMS.values(), ids=PROGRAMS)
def test_it_is_local_update_with_full_batches(parts: Parts, training: LocalTraining) -> None:
    model, weights, buffers = parts
    before = {name: b.clone() for name, b in buffers.items()}
    inputs, targets = samples(10)
    expected = local_update(model, weights, buffers, inputs, targets, training).delta
    got = functional_update(model, weights, buffers, inputs, targets, training, steps=4)
    # Adam makes full steps of a gradient that is rounding noise (a bias before batch norm): compare what is not noise.
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-3 if training.optimizer == "adam" else 1e-6)
    assert all(torch.equal(buffers[name], before[name]) for name in buffers)


def test_under_vmap_it_trains_every_client_on_its_own() -> None:
    model, weights, buffers = tiny_mlp()
    clients = [samples(10, seed) for seed in range(3)]
    training = PROGRAMS["plain"]
    inputs, targets = torch.stack([x for x, _ in clients]), torch.stack([y for _, y in clients])

    def update(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional_update(model, weights, buffers, x, y, training, steps=4)

    together = torch.func.vmap(update)(inputs, targets)
    for delta, (x, y) in zip(together, clients, strict=True):
        torch.testing.assert_close(delta, local_update(model, weights, buffers, x, y, training).delta)
