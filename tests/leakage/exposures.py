"""Updates as an attacker sees them, of small models."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stalefl.audit.defences import Defence
from stalefl.contracts import Exposure, LocalTraining
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from tests.fixtures import SPEC, Parts

ONE_STEP = LocalTraining(local_epochs=1, lr=0.1)
SAME = (1.0, 0.5, 0.0, -0.5)


def same_inputs(targets: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The same input again and again, with these targets."""
    return torch.tensor([SAME]).repeat(len(targets), 1), torch.tensor(targets)


def exposed(
    parts: Parts,
    data: tuple[Tensor, Tensor],
    training: LocalTraining = ONE_STEP,
    defence: str = "none",
    sent: Tensor | None = None,
) -> Exposure:
    """The update that training on ``data`` gives; with ``sent`` [P] bool, those of its entries only."""
    model, weights, buffers = parts
    inputs, targets = data
    delta = local_update(model, weights, buffers, inputs, targets, training, named_generator(0, "train")).delta
    reach = training.reach(training.steps(len(inputs)))
    left = Defence.parse(defence).apply(delta, reach, named_generator(0, "defence"))
    return Exposure(
        delta=left.delta if sent is None else torch.where(sent, delta, 0.0),
        sent=left.mask if sent is None else sent,
        base_weights=weights,
        buffers=buffers,
        model=model,
        training=training,
        samples=len(inputs),
        input_spec=SPEC,
        generator=named_generator(0, "test-attack"),
    )
