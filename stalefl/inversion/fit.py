"""Gradient inversion through local training: find the D_rec whose training reproduces an update.

Paper: Wang and Gao, "Tackling Intertwined Data and Device Heterogeneities in Federated Learning with Unlimited
Staleness", AAAI 2025, Eq. (6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.inversion.d_rec import RecoveredData, labels_of
from stalefl.inversion.objective import Disparity, Objective
from stalefl.inversion.program import Program
from stalefl.training.optimizers import Moments
from stalefl.training.value_range import bounds


class Target(NamedTuple):
    """An update to be explained: ``delta`` [P], and the weights [P] the client was given."""

    base_weights: Tensor
    delta: Tensor


@dataclass(frozen=True)
class FitSettings:
    """How D_rec is optimised; inputs stay within the value range. ``sign-adam`` and the ``published`` schedule (the
    learning rate a tenth after 3/8, 5/8 and 7/8 of the iterations) are those of the paper's published code."""

    iterations: int = 100
    learning_rate: float = 0.3
    disparity: Disparity = "l2"
    sparsify: float = 0.0
    tolerance: float = 0.0
    """Stop when the mean loss of the last ``patience`` iterations is less than this share below that of the ones
    before; 0 never stops early."""
    patience: int = 10
    optimizer: Literal["adam", "sign-adam"] = "adam"
    schedule: Literal["constant", "published"] = "constant"

    def learning_rate_at(self, iteration: int) -> float:
        """The learning rate of an iteration, counted from 1."""
        if self.schedule == "constant":
            return self.learning_rate
        passed = sum(iteration - 1 >= eighths * self.iterations / 8 for eighths in (3, 5, 7))
        return self.learning_rate * 0.1**passed

    def flattened(self, losses: Sequence[Tensor]) -> bool:
        if self.tolerance == 0 or len(losses) < 2 * self.patience:
            return False
        before, last = torch.stack(list(losses[-2 * self.patience :])).view(2, -1).mean(dim=1).tolist()
        return last > (1 - self.tolerance) * before


@dataclass(frozen=True)
class Fit:
    """What the optimisation found. ``losses`` has one value per iteration, before that iteration's step."""

    data: RecoveredData
    losses: tuple[float, ...]

    @property
    def iterations(self) -> int:
        return len(self.losses)


def fit_data(
    program: Program,
    targets: Sequence[Target],
    spec: InputSpec,
    start: RecoveredData,
    settings: FitSettings,
    generator: torch.Generator,
    on_iteration: Callable[[int], None] = lambda iteration: None,
) -> Fit:
    """Minimise the disparity of the update that D_rec gives from the target, over D_rec by Adam, from ``start``.

    Of several targets (updates of one client, the same data behind them) each iteration takes one, drawn from
    ``generator``. Targets of zero have nothing to recover; with no other the start is returned as it is.
    """
    problems = [
        (target.base_weights, Objective.of(target.delta, settings.disparity, settings.sparsify))
        for target in targets
        if target.delta.any()
    ]
    if not problems:
        return Fit(start, ())
    low, high = bounds(spec, start.inputs.device)
    inputs, logits, kind = start.inputs, start.label_logits, start.label_kind
    input_moments, logit_moments = Moments.zero(inputs), Moments.zero(logits)
    losses: list[Tensor] = []
    for iteration in range(1, settings.iterations + 1):
        base_weights, objective = problems[_draw(len(problems), generator)]
        inputs, logits = inputs.detach().requires_grad_(), logits.detach().requires_grad_()
        loss = objective(program.run(base_weights, inputs, labels_of(logits, kind), create_graph=True))
        input_gradient, logit_gradient = torch.autograd.grad(loss, (inputs, logits))
        with torch.no_grad():
            rate = settings.learning_rate_at(iteration)
            if settings.optimizer == "sign-adam":
                input_gradient = input_gradient.sign()
            step, input_moments = input_moments.step(input_gradient, iteration)
            inputs = (inputs - rate * step).clamp(low, high)
            step, logit_moments = logit_moments.step(logit_gradient, iteration)
            logits = logits - rate * step
        losses.append(loss.detach())
        on_iteration(iteration)
        if settings.flattened(losses):
            break
    return Fit(RecoveredData(inputs.detach(), logits.detach(), kind), tuple(torch.stack(losses).tolist()))


def _draw(count: int, generator: torch.Generator) -> int:
    return 0 if count == 1 else int(torch.randint(count, (), generator=generator))
