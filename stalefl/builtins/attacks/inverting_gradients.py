"""inverting-gradients: find inputs whose gradient has the observed one's direction.

Paper: Geiping, Bauermeister, Droege, Moeller, "Inverting Gradients: How easy is it to break privacy in federated
learning?", NeurIPS 2020: cosine distance and total variation, Adam on the sign of the gradient, inputs within the value
range, the step a tenth after 3/8, 5/8 and 7/8 of the iterations, labels known from the last layer.
Deviations: steps and total variation are in shares of the value range, so that normalising changes nothing; inputs
start near the data's mean (paper: Gaussian noise); only entries that were sent are compared; the best inputs seen are
kept, and the search stops once the cosine distance is what rounding leaves. The labels of several samples are those
of label-counts; where that is not possible, or with ``labels = "soft"``, they are searched for together
with the inputs. Of clients that run Adam the signs of the gradient are compared (SentGradient.cosine_distance).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from stalefl.contracts import Attack, Exposure, Leak, Options
from stalefl.leakage.gradient import Entries, SentGradient, has_neighbours, start_inputs, total_variation, unit_range
from stalefl.leakage.label_shares import known_labels
from stalefl.training.adam import Moments, published_decay

EVERY = 50
"""Iterations between two looks at whether the search is at its end, each of which waits for the device."""


class InvertingGradientsOptions(Options):
    iterations: PositiveInt = Field(3000, description="greatest number of Adam iterations")
    learning_rate: float = Field(0.025, gt=0, description="Adam's first step, as a share of the value range")
    tv: float = Field(0.1, ge=0, description="weight of the total variation, on the scale of 0 to 1")
    signed: bool = Field(True, description="give Adam only the sign of the inputs' gradient")
    labels: Literal["inferred", "soft"] = Field(
        "inferred", description="read labels off the last layer first, or search for them together with the inputs"
    )
    label_learning_rate: float = Field(0.1, gt=0, description="Adam's first step on soft labels' logits")
    start_noise: float = Field(
        0.1, ge=0, description="deviation of the first inputs around 0, where normalised data have their mean"
    )
    entries: Entries = Field("sent", description="compare the entries that were sent, or all, with 0 for the others")


class InvertingGradients(Attack):
    summary = (
        "inputs by signed Adam on the cosine distance of gradients and total variation; of several local steps the "
        "update counts as one gradient"
    )
    paper = "Geiping, Bauermeister, Dröge, Moeller, Inverting Gradients, NeurIPS 2020"
    Options = InvertingGradientsOptions
    options: InvertingGradientsOptions

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        options, sent = self.options, SentGradient.of(exposure, self.options.entries)
        scale = unit_range(exposure)
        unit = start_inputs(exposure, options.start_noise)
        tv = options.tv if has_neighbours(exposure.input_spec) else 0.0
        known = known_labels(exposure) if options.labels == "inferred" else None
        drawn = torch.randn(exposure.samples, exposure.input_spec.classes, generator=exposure.generator)
        logits = options.start_noise * drawn.to(unit)

        def labels(logits: Tensor) -> Tensor:
            return logits.softmax(dim=1) if known is None else known.to(logits)

        best = Seen(unit, logits, torch.full((), torch.inf).to(unit), torch.full((), torch.inf).to(unit))
        unit_moments, logit_moments = Moments.zero(unit), Moments.zero(logits)
        for iteration in range(options.iterations):
            unit, logits = unit.detach().requires_grad_(), logits.detach().requires_grad_()
            distance = sent.cosine_distance(scale.to_inputs(unit), labels(logits))
            loss = distance + tv * total_variation(unit)
            gradient, logit_gradient = torch.autograd.grad(loss, (unit, logits), materialize_grads=True)
            best = best.or_better(Seen(unit.detach(), logits.detach(), distance.detach(), loss.detach()))
            if iteration % EVERY == 0:
                on_progress(iteration / options.iterations)
                if best.distance <= sent.rounding_floor / 2:
                    break
            decay = published_decay(iteration, options.iterations)
            step, unit_moments = unit_moments.step(gradient, iteration + 1, signed=options.signed)
            unit = (unit.detach() - options.learning_rate * decay * step).clamp(0, 1)
            step, logit_moments = logit_moments.step(logit_gradient, iteration + 1)
            logits = logits.detach() - options.label_learning_rate * decay * step
        on_progress(1.0)
        inputs = scale.finished(best.unit)
        return Leak(labels(best.logits).float(), inputs, best.distance.item(), iteration + 1)


class Seen(NamedTuple):
    """Inputs on the unit scale and label logits, their cosine distance, and that with the total variation."""

    unit: Tensor
    logits: Tensor
    distance: Tensor
    loss: Tensor

    def or_better(self, other: Seen) -> Seen:
        """The one of the lower loss, chosen on the device; one whose loss is not a number is never better."""
        better = other.loss < self.loss
        return Seen(*(torch.where(better, new, old) for new, old in zip(other, self, strict=True)))
