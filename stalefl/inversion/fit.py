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
from stalefl.inversion.d_rec import DRec, labels_of
from stalefl.inversion.objective import Disparity, Objective
from stalefl.inversion.program import Program
from stalefl.training.adam import Moments, published_decay
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
        return self.learning_rate * published_decay(iteration - 1, self.iterations)

    def flattened(self, losses: Sequence[Tensor]) -> bool:
        if self.tolerance == 0 or len(losses) < 2 * self.patience:
            return False
        before, last = torch.stack(list(losses[-2 * self.patience :])).view(2, -1).mean(dim=1).tolist()
        return last > (1 - self.tolerance) * before


@dataclass(frozen=True)
class Fit:
    """What the optimisation found. ``losses`` has one value per iteration, before that iteration's step."""

    data: DRec
    losses: tuple[float, ...]

    @property
    def iterations(self) -> int:
        return len(self.losses)


Slope = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Sequence[Tensor]]]
"""Inputs and label logits to the loss's gradient with respect to either, and the loss [] of each client."""


def search(
    inputs: Tensor,
    logits: Tensor,
    slope: Slope,
    spec: InputSpec,
    settings: FitSettings,
    clients: int = 1,
    on_iteration: Callable[[int], None] = lambda iteration: None,
) -> tuple[Tensor, Tensor, list[tuple[float, ...]]]:
    """Lower the loss by Adam from ``inputs`` and label ``logits``: where that leads, and each client's losses.

    Of one client they are [M, *shape] and [M, K]; of several, which are searched for together, they have the clients'
    dimension before. A client whose loss has flattened stays as it is while the others go on.
    """
    low, high = bounds(spec, inputs.device)
    input_moments, logit_moments = Moments.zero(inputs), Moments.zero(logits)
    signed = settings.optimizer == "sign-adam"
    losses: list[list[Tensor]] = [[] for _ in range(clients)]
    going = [True] * clients
    for iteration in range(1, settings.iterations + 1):
        input_slope, logit_slope, values = slope(inputs, logits)
        rate = settings.learning_rate_at(iteration)
        step, input_moments = input_moments.step(input_slope, iteration, signed=signed)
        inputs = _where(going, (inputs - rate * step).clamp(low, high), inputs)
        step, logit_moments = logit_moments.step(logit_slope, iteration)
        logits = _where(going, logits - rate * step, logits)
        for client in [client for client in range(clients) if going[client]]:
            losses[client].append(values[client])
            going[client] = not settings.flattened(losses[client])
        on_iteration(iteration)
        if not any(going):
            break
    return inputs, logits, [tuple(torch.stack(own).tolist()) for own in losses]


def fit_data(
    program: Program,
    targets: Sequence[Target],
    spec: InputSpec,
    start: DRec,
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

    def slope(inputs: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        base_weights, objective = problems[_draw(len(problems), generator)]
        inputs, logits = inputs.detach().requires_grad_(), logits.detach().requires_grad_()
        labels = labels_of(logits, start.label_kind)
        loss = objective(program.run(base_weights, inputs, labels, create_graph=True))
        input_slope, logit_slope = torch.autograd.grad(loss, (inputs, logits))
        return input_slope, logit_slope, [loss.detach()]

    inputs, logits, (losses,) = search(
        start.inputs, start.label_logits, slope, spec, settings, on_iteration=on_iteration
    )
    return Fit(DRec(inputs, logits, start.label_kind), losses)


def _draw(count: int, generator: torch.Generator) -> int:
    return 0 if count == 1 else int(torch.randint(count, (), generator=generator))


def _where(going: Sequence[bool], moved: Tensor, before: Tensor) -> Tensor:
    """What has ``moved`` of the clients that are going on, and of the others what was there ``before``."""
    if all(going):
        return moved
    mask = torch.tensor(going, device=moved.device).view(-1, *[1] * (moved.dim() - 1))
    return torch.where(mask, moved, before)
