from __future__ import annotations

import pytest
import torch

from stalefl.contracts import LocalTraining
from stalefl.inversion.batch import fit_batch
from stalefl.inversion.d_rec import random_data
from stalefl.inversion.fit import FitSettings, Target, fit_data
from stalefl.inversion.program import Program
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from tests.fixtures import SPEC, Parts, batch_norm_model, samples, tiny_mlp

PROGRAMS = {
    "momentum": LocalTraining(local_epochs=3, lr=0.1, momentum=0.5),
    "nesterov and decay": LocalTraining(local_epochs=3, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "proximal": LocalTraining(local_epochs=3, lr=0.1, proximal_mu=0.5),
}
SETTINGS = {
    "l2": FitSettings(iterations=20),
    "l1": FitSettings(iterations=20, disparity="l1"),
    "sparse cosine": FitSettings(iterations=10, disparity="cosine", sparsify=0.5),
}


def problem(parts: Parts, training: LocalTraining):
    """A program, three clients' updates and three starts."""
    model, weights, buffers = parts
    program = Program.of_client(model, training, buffers, 12)
    targets = [
        Target(weights, local_update(model, weights, buffers, *samples(12, seed), training).delta) for seed in range(3)
    ]
    starts = [random_data(SPEC, 8, named_generator(seed, "start"), torch.device("cpu")) for seed in range(3)]
    return program, targets, starts


@pytest.mark.parametrize("parts", [tiny_mlp(), batch_norm_model()], ids=["mlp", "batch norm"])
@pytest.mark.parametrize("training", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_batch_finds_what_the_clients_find_one_by_one(
    parts: Parts, training: LocalTraining, settings: FitSettings
) -> None:
    program, targets, starts = problem(parts, training)
    together = fit_batch(program, targets, SPEC, starts, settings)
    for fit, target, start in zip(together, targets, starts, strict=True):
        alone = fit_data(program, [target], SPEC, start, settings, named_generator(0, "inversion"))
        assert fit.losses == pytest.approx(alone.losses, rel=1e-3)
        torch.testing.assert_close(fit.data.inputs, alone.data.inputs, rtol=1e-2, atol=1e-2)
        torch.testing.assert_close(fit.data.labels, alone.data.labels, rtol=1e-2, atol=1e-2)


def test_every_client_stops_when_its_own_loss_has_flattened() -> None:
    program, targets, starts = problem(tiny_mlp(), PROGRAMS["momentum"])
    settings = FitSettings(iterations=60, tolerance=0.2, patience=4)
    together = fit_batch(program, targets, SPEC, starts, settings)
    alone = [
        fit_data(program, [t], SPEC, s, settings, named_generator(0, "inversion"))
        for t, s in zip(targets, starts, strict=True)
    ]
    assert [fit.iterations for fit in together] == [fit.iterations for fit in alone]
    assert len({fit.iterations for fit in together}) > 1
    for fit, other in zip(together, alone, strict=True):
        torch.testing.assert_close(fit.data.inputs, other.data.inputs, rtol=1e-2, atol=1e-2)
