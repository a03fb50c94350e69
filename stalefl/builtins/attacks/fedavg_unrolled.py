"""fedavg-unrolled: find data whose local training, step by step, gives the observed update.

Paper: Wang and Gao, "Tackling Intertwined Data and Device Heterogeneities in Federated Learning with Unlimited
Staleness", AAAI 2025, Eq. (6): their gradient inversion, here as the attack that it could be; that local training can
be attacked by differentiating through its steps is shown by Geiping et al., NeurIPS 2020, section 6.
Deviations: relative squared L2 distance of updates, soft labels, full-batch steps as many as the client makes, as in
the method ``inversion``; as many samples are recovered as the client reports, up to a cap; only the entries that were
sent are explained. The search is L-BFGS under a fading total variation (leakage/gradient_matching.py), first with the
update taken for one gradient, from there with the steps replayed: long steps, after which the client's loss is small,
leave little slope far from its data. ``search = "adam"`` is that of ``inversion`` itself. A client's few steps of Adam
leave hardly any slope either: ``inverting-gradients``, which compares signs, is then the better attack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import one_hot

from stalefl.contracts import Attack, Exposure, Leak
from stalefl.inversion.d_rec import random_data
from stalefl.inversion.fit import FitSettings, Target, fit_data
from stalefl.inversion.program import Program
from stalefl.leakage.gradient import SentGradient, float_type, or_one, rounding_floor, unlike_gradient
from stalefl.leakage.gradient_matching import MatchingOptions, match_target

CERTAINTY = 0.99
"""Of the labels from which steps are replayed first."""


class FedavgUnrolledOptions(MatchingOptions):
    search: Literal["lbfgs", "adam"] = Field(
        "lbfgs", description="adam: as the method inversion, with iterations, learning_rate and tolerance only"
    )
    start: Literal["gradient", "mean"] = Field(
        "gradient", description="begin lbfgs where the update, taken for one gradient, leads, or near the data's mean"
    )
    learning_rate: float = Field(0.1, gt=0, description="of adam, on inputs and label logits")
    tolerance: float = Field(
        0.0, ge=0, lt=1, description="stop adam when ten iterations lower the loss by less than this share; 0: never"
    )
    most_samples: PositiveInt = Field(64, description="recover as many samples as the client reports, up to so many")
    replay_steps: int = Field(
        0, ge=0, description="replay the client's local steps in at most so many longer ones; 0: every step"
    )


class FedavgUnrolled(Attack):
    summary = "inputs and soft labels whose local training, every step of it, gives the update"
    paper = "Wang and Gao, AAAI 2025; Geiping et al., NeurIPS 2020"
    Options = FedavgUnrolledOptions
    options: FedavgUnrolledOptions

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        program = Program.of_client(
            exposure.model,
            exposure.training,
            exposure.buffers,
            exposure.samples,
            replay_steps=self.options.replay_steps,
        )
        smaller = replace(exposure, samples=min(exposure.samples, self.options.most_samples))
        if self.options.search == "adam":
            return self._by_adam(program, smaller, on_progress)
        update, options = SentUpdate.of(program, exposure, self.options), self.options
        if options.start == "mean" or unlike_gradient(exposure):
            return match_target(update, smaller, options, None, on_progress)
        gradient = SentGradient.of(exposure, options.entries)
        rough = match_target(gradient, smaller, options, None, lambda share: on_progress(share / 2))
        start = rough._replace(labels=decided(rough.labels))
        fine = match_target(update, smaller, options, None, lambda share: on_progress((1 + share) / 2), start)
        return fine._replace(iterations=rough.iterations + fine.iterations)

    def _by_adam(self, program: Program, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        options, spec = self.options, exposure.input_spec
        # The inversion leaves out the smallest entries: here those that were not sent, which are 0.
        unsent = 0.0 if exposure.sent is None or options.entries == "all" else float((~exposure.sent).float().mean())
        fit = fit_data(
            program,
            [Target(exposure.base_weights, exposure.delta)],
            spec,
            random_data(spec, exposure.samples, exposure.generator, exposure.model.device),
            FitSettings(
                iterations=options.iterations,
                learning_rate=options.learning_rate,
                sparsify=min(unsent, 1 - 1 / exposure.delta.numel()),
                tolerance=options.tolerance,
                schedule="published",
            ),
            exposure.generator,
            lambda iteration: on_progress(iteration / options.iterations),
        )
        on_progress(1.0)
        return Leak(fit.data.labels, fit.data.inputs, fit.losses[-1] if fit.losses else 0.0, fit.iterations)


def decided(labels: Tensor) -> Tensor:
    """Labels [M, K] nearly all on their greatest class. Taken for one gradient, an update of steps that grow shorter
    seems to come of softer labels than it does."""
    greatest = one_hot(labels.argmax(dim=1), labels.shape[1])
    return CERTAINTY * greatest + (1 - CERTAINTY) / labels.shape[1]


@dataclass(frozen=True)
class SentUpdate:
    """The update ``target`` [P], compared where it was sent (``mask`` [P], 1 or 0), and the training that gives it."""

    program: Program
    base_weights: Tensor
    target: Tensor
    mask: Tensor
    rounding_floor: float

    @classmethod
    def of(cls, program: Program, exposure: Exposure, options: MatchingOptions) -> SentUpdate:
        dtype = float_type(exposure.model.device)
        weights, delta = exposure.base_weights.to(dtype), exposure.delta.to(dtype)
        everywhere = torch.ones_like(delta)
        sent = everywhere if exposure.sent is None else exposure.sent.to(dtype)
        in_double = {name: b.to(dtype) if b.is_floating_point() else b for name, b in exposure.buffers.items()}
        return cls(
            replace(program, buffers=in_double),
            weights,
            delta * sent,
            sent if options.entries == "sent" else everywhere,
            rounding_floor(weights, delta),
        )

    def distance(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The squared L2 distance from the target as a share of the target's square (of 1, if it is zero)."""
        delta = self.program.run(self.base_weights, inputs, labels, create_graph=True)
        return ((delta - self.target) * self.mask).square().sum() / or_one(self.target.square().sum())
