"""The same search for several late clients at once: one batched computation, which is what a GPU is fast at.

On a CPU the clients are faster one after the other: batched convolutions are grouped ones, which are slow there. Both
ways do the same arithmetic in another order of summation. Of clients that run SGD the losses agree to a relative 1e-3
over the first 20 iterations, and estimates to about 1 % in the end. Adam at the clients turns rounding into full steps:
there the two ways find different data of like quality.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.inversion.d_rec import RecoveredData, labels_of
from stalefl.inversion.fit import Fit, FitSettings, Target
from stalefl.inversion.objective import Objective
from stalefl.inversion.program import Program
from stalefl.training.batched_update import functional_update
from stalefl.training.optimizers import Moments
from stalefl.training.value_range import bounds


def fit_batch(
    program: Program,
    targets: Sequence[Target],
    spec: InputSpec,
    starts: Sequence[RecoveredData],
    settings: FitSettings,
) -> list[Fit]:
    """One fit per target, as ``fit_data`` makes them, for clients with one program and starts of one size.

    Targets must not be zero. A client whose loss has flattened stays as it is while the others go on.
    """
    objectives = [Objective.of(target.delta, settings.disparity, settings.sparsify) for target in targets]
    kept = None if objectives[0].kept is None else torch.stack([o.kept for o in objectives if o.kept is not None])
    wanted, base_weights = torch.stack([o.target for o in objectives]), torch.stack([t.base_weights for t in targets])
    buffers = {name: b.expand(len(targets), *b.shape) for name, b in program.buffers.items()}
    kind = starts[0].label_kind

    def loss(inputs: Tensor, logits: Tensor, base: Tensor, target: Tensor, kept: Tensor | None, buffers) -> Tensor:  # type: ignore[no-untyped-def]
        fitted = functional_update(
            program.model,
            base,
            buffers,
            inputs,
            labels_of(logits, kind),
            program.training,
            program.steps,
            program.loss,
        )
        return Objective(settings.disparity, target, kept)(fitted)

    dims = (0, 0, 0, 0, None if kept is None else 0, 0)
    step_of_all = torch.func.vmap(torch.func.grad_and_value(loss, argnums=(0, 1)), in_dims=dims)
    low, high = bounds(spec, wanted.device)
    inputs, logits = torch.stack([s.inputs for s in starts]), torch.stack([s.label_logits for s in starts])
    input_moments, logit_moments = Moments.zero(inputs), Moments.zero(logits)
    losses: list[list[Tensor]] = [[] for _ in targets]
    going = torch.ones(len(targets), dtype=torch.bool, device=wanted.device)
    for iteration in range(1, settings.iterations + 1):
        gradients, values = step_of_all(inputs, logits, base_weights, wanted, kept, buffers)
        rate = settings.learning_rate_at(iteration)
        first = gradients[0].sign() if settings.optimizer == "sign-adam" else gradients[0]
        step, input_moments = input_moments.step(first, iteration)
        inputs = torch.where(_per_client(going, inputs), (inputs - rate * step).clamp(low, high), inputs)
        step, logit_moments = logit_moments.step(gradients[1], iteration)
        logits = torch.where(_per_client(going, logits), logits - rate * step, logits)
        for client in going.nonzero().flatten().tolist():
            losses[client].append(values[client])
            if settings.flattened(losses[client]):
                going[client] = False
        if not going.any():
            break
    return [
        Fit(RecoveredData(inputs[client], logits[client], kind), tuple(torch.stack(losses[client]).tolist()))
        for client in range(len(targets))
    ]


def _per_client(mask: Tensor, like: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (like.dim() - 1))
