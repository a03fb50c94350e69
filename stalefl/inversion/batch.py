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
from stalefl.inversion.d_rec import DRec, labels_of
from stalefl.inversion.fit import Fit, FitSettings, Target, search
from stalefl.inversion.objective import Objective
from stalefl.inversion.program import Program


def fit_batch(
    program: Program,
    targets: Sequence[Target],
    spec: InputSpec,
    starts: Sequence[DRec],
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
        labels = labels_of(logits, kind)
        return Objective(settings.disparity, target, kept)(program.run_functionally(base, buffers, inputs, labels))

    dims = (0, 0, 0, 0, None if kept is None else 0, 0)
    slope_of_all = torch.func.vmap(torch.func.grad_and_value(loss, argnums=(0, 1)), in_dims=dims)

    def slope(inputs: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        (input_slope, logit_slope), values = slope_of_all(inputs, logits, base_weights, wanted, kept, buffers)
        return input_slope, logit_slope, values

    inputs, logits = torch.stack([s.inputs for s in starts]), torch.stack([s.label_logits for s in starts])
    inputs, logits, losses = search(inputs, logits, slope, spec, settings, len(targets))
    return [Fit(DRec(inputs[client], logits[client], kind), losses[client]) for client in range(len(targets))]
