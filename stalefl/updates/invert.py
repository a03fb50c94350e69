"""Invert one observed update: recover D_rec, and measure what it explains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import one_hot

from stalefl.config.explain import first_of, problems, validate
from stalefl.config.schema import MethodTable
from stalefl.contracts import InputError
from stalefl.inversion.d_rec import DRec
from stalefl.inversion.persistence import persisting_share
from stalefl.inversion.recovery import Recovery, RecoveryOptions, recover
from stalefl.registry import load_registry
from stalefl.seeds import named_generator
from stalefl.simulation.oracle import UpdateError, update_error
from stalefl.training.value_range import bounds
from stalefl.updates.observed import ObservedUpdate
from stalefl.updates.surface import LocalLoss, Plane, Surface, loss_surface

TICKS = tuple((i - 7) / 5 for i in range(15))
"""Where surfaces are evaluated, in lengths of the update, which itself leads from 0 to 1."""
MOST_CLIENT_SAMPLES = 200
MOST_UNEXPLAINED = 0.5
"""Relative L1 error of the replayed update above which D_rec does not count as its explanation."""


def run_options(method: MethodTable) -> dict[str, Any]:
    """Those options of a run's method that belong to the recovery; none if the method does not invert."""
    schema = load_registry().load("method", str(method.name)).Options
    if not issubclass(schema, RecoveryOptions):
        return {}
    return {key: value for key, value in method.options.items() if key in RecoveryOptions.model_fields}


def recovery_options(values: Mapping[str, Any]) -> RecoveryOptions:
    """Raises InputError that names the option and what is valid."""
    try:
        return validate(RecoveryOptions, values)
    except ValidationError as error:
        found = first_of(problems(error, RecoveryOptions, values))
        raise InputError(f"options of the recovery (method.options): {found}") from error


@dataclass(frozen=True)
class Inverted:
    """What the recovery found, and how it compares with whatever is known. Updates are [P]."""

    observed: ObservedUpdate
    options: RecoveryOptions
    recovery: Recovery
    seconds: float
    explained: Tensor
    """The update that D_rec gives where the observed one began."""
    noise: tuple[Tensor, Tensor]
    """As many inputs [M, *shape], uniform over the value range, with labels [M, K] of random classes."""
    noise_delta: Tensor
    """The update that these give there."""
    estimate: Tensor | None
    """The update that D_rec gives from today's model; None where that is not known."""

    @property
    def data(self) -> DRec:
        return self.recovery.fit.data

    @property
    def fit_error(self) -> UpdateError:
        """Of the update that D_rec gives, from the observed one."""
        return update_error(self.explained, self.observed.update.delta)

    @property
    def anchored(self) -> Tensor | None:
        """The estimate of ``anchored-inversion`` before it has learned anything: the other one, and what persists of
        the part of the update that D_rec leaves unexplained."""
        if self.estimate is None:
            return None
        unexplained = self.observed.update.delta - self.explained
        return self.estimate + persisting_share(self.explained, self.estimate) * unexplained

    @property
    def is_explained(self) -> bool:
        """Whether D_rec, and what follows from it, is worth a look; False if the error is NaN."""
        return self.fit_error.l1 <= MOST_UNEXPLAINED

    @property
    def label_shares(self) -> list[float]:
        """Of D_rec's labels, summed by class; negative ones, which only free labels can have, count as 0."""
        by_class = self.data.labels.clamp(min=0).sum(dim=0)
        return (by_class / by_class.sum()).tolist()

    @property
    def true_label_shares(self) -> list[float] | None:
        if self.observed.client_data is None:
            return None
        targets = self.observed.client_data[1].cpu()
        counts = torch.bincount(targets, minlength=self.data.label_logits.shape[1])
        return (counts / len(targets)).tolist()


def invert(
    observed: ObservedUpdate,
    options: RecoveryOptions,
    seed: int,
    on_iteration: Callable[[int], None] = lambda iteration: None,
) -> Inverted:
    """Recover D_rec from an observed update, as if it were its client's first one."""
    update, view = observed.update, replace(observed.view, generator=named_generator(seed, "invert"))
    began = time.perf_counter()
    recovery = recover(update, view, options, on_iteration=on_iteration)
    seconds = time.perf_counter() - began
    program, data = recovery.program, recovery.fit.data
    noise = _noise(observed, len(data), seed)
    return Inverted(
        observed=observed,
        options=options,
        recovery=recovery,
        seconds=seconds,
        explained=program.train_on(data, update.base_weights),
        noise=noise,
        noise_delta=program.run(update.base_weights, *noise),
        estimate=program.train_on(data, view.weights) if observed.current_known else None,
    )


def _noise(observed: ObservedUpdate, size: int, seed: int) -> tuple[Tensor, Tensor]:
    spec, device = observed.view.input_spec, observed.view.model.device
    generator = named_generator(seed, "invert-noise")
    low, high = bounds(spec, device)
    uniform = torch.rand(size, *spec.shape, generator=generator).to(device)
    labels = torch.randint(spec.classes, (size,), generator=generator).to(device)
    return low + (high - low) * uniform, one_hot(labels, spec.classes).float()


# --- loss surfaces --------------------------------------------------------------------------------------------------


def surface_points(observed: ObservedUpdate) -> int:
    """How often ``surfaces`` evaluates a loss."""
    return len(TICKS) ** 2 * (2 if observed.client_data is None else 3)


def surfaces(inverted: Inverted, on_point: Callable[[int], None] = lambda done: None) -> dict[str, Surface]:
    """The loss around the base weights, by the data behind it: the client's own where known, D_rec, noise.

    The plane holds the update and the one that noise gives: along a direction that no data lead to, the loss of a
    network hardly changes, and all surfaces look alike.
    """
    observed, data, program = inverted.observed, inverted.data, inverted.recovery.program
    update, model, buffers = observed.update, observed.view.model, observed.view.buffers
    losses = {}
    if observed.client_data is not None:
        inputs, targets = observed.client_data
        # Spread over the samples, which may be in the order of their classes.
        step = -(-len(targets) // MOST_CLIENT_SAMPLES)
        losses["the client's data"] = LocalLoss(model, buffers, inputs[::step], targets[::step])
    losses["D_rec"] = LocalLoss(model, buffers, data.inputs, data.labels, program.loss)
    losses["noise"] = LocalLoss(model, buffers, *inverted.noise, program.loss)
    plane = Plane.around(update.base_weights, update.delta, inverted.noise_delta)
    done = iter(range(1, surface_points(observed) + 1))
    return {name: loss_surface(loss, plane, TICKS, lambda: on_point(next(done))) for name, loss in losses.items()}
