"""What is measured of one client: what an attack recovered against what the client has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from stalefl.audit.measure.classifier import Classifier
from stalefl.audit.measure.images import finite, mse, psnr, relative_rmse, ssim
from stalefl.audit.measure.label_hits import guessed_hits, label_hits, recovered_counts
from stalefl.audit.measure.matching import Matching, match_samples, squared_errors
from stalefl.audit.measure.metrics import DIRECT
from stalefl.audit.measure.tokens import token_accuracy, token_count, token_recall
from stalefl.contracts import InputSpec, Leak
from stalefl.training.value_range import to_unit


class Instrument(NamedTuple):
    """A network's distance between images [n, *shape], as model inputs: [n] values of pairs (LPIPS) or one (FID)."""

    source: str
    """The metric and the network, like "lpips: classifier features"."""
    measure: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Instruments:
    """With what is measured; what is None is not."""

    spec: InputSpec
    classifier: Classifier | None = None
    lpips: Instrument | None = None
    fid: Instrument | None = None
    embedding: Tensor | None = None
    """[V, D], the table in which recovered embeddings are looked up."""
    common_share: float = 0.0
    """The share of the most common class in the training data, which a guess may know."""

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(instrument.source for instrument in (self.lpips, self.fid) if instrument)


@dataclass(frozen=True)
class CaseMeasurements:
    """What was measured of one client; empty or None where there was no truth or nothing was recovered."""

    samples: int = 0
    """How many samples the client has; 0 if not known."""
    matching: Matching | None = None
    per_pair: Mapping[str, Tensor] = field(default_factory=dict)
    """float64 [pairs] by metric: mse, psnr, ssim, lpips, relative_rmse, classifier_accuracy (0 or 1), ..."""
    nearest_rmse: Tensor | None = None
    """[M], one per recovered sample."""
    recovered: Tensor | None = None
    """[pairs, *shape], model inputs, in the order of the pairs."""
    true: Tensor | None = None
    own_nearer: bool | None = None
    label_hits: int | None = None
    guessed_hits: float = 0.0


def measure_case(
    leak: Leak,
    inputs: Tensor | None,
    targets: Tensor | None,
    instruments: Instruments,
    strangers: Tensor | None = None,
) -> CaseMeasurements:
    """What is measured of one client, whose samples are ``inputs`` [N, *shape] and ``targets`` [N]; None: not known.

    ``strangers`` [N, *shape] are other real samples of the same classes: without a leak beyond the classes, the
    recovered samples are as likely nearer to them as to the client's own.
    """
    case = CaseMeasurements() if targets is None else _label_measurements(leak, targets, instruments)
    if inputs is None or leak.inputs is None or not len(leak.inputs) or not len(inputs):
        return case
    spec = instruments.spec
    found = finite(leak.inputs.cpu(), spec)
    errors = squared_errors(to_unit(found, spec), to_unit(inputs.cpu(), spec))
    pairs = match_samples(errors)
    recovered, true = found[pairs.recovered], inputs.cpu()[pairs.true]
    return replace(
        case,
        samples=len(inputs),
        matching=pairs,
        per_pair=_per_pair(recovered, true, None if targets is None else targets.cpu()[pairs.true], instruments),
        nearest_rmse=(errors.min(dim=1).values / inputs[0].numel()).sqrt(),
        recovered=recovered,
        true=true,
        own_nearer=None if strangers is None else _own_nearer(found, errors, pairs, strangers, spec),
    )


def _label_measurements(leak: Leak, targets: Tensor, instruments: Instruments) -> CaseMeasurements:
    samples = len(targets)
    true = torch.bincount(targets.cpu(), minlength=instruments.spec.classes)
    hits = label_hits(recovered_counts(leak.labels.cpu(), samples), true) if len(leak.labels) else 0
    guess = max(guessed_hits(true), instruments.common_share * samples)
    return CaseMeasurements(samples=samples, label_hits=hits, guessed_hits=guess)


def _per_pair(recovered: Tensor, true: Tensor, targets: Tensor | None, instruments: Instruments) -> dict[str, Tensor]:
    spec = instruments.spec
    found: dict[str, Tensor] = {}
    unit, unit_true = to_unit(recovered, spec), to_unit(true, spec)
    if spec.space in DIRECT:
        found |= {"mse": mse(unit, unit_true), "psnr": psnr(unit, unit_true)}
    if spec.space == "signal":
        found["relative_rmse"] = relative_rmse(unit, unit_true)
    if spec.space == "pixels" and len(spec.shape) == 3:
        found["ssim"] = ssim(unit, unit_true)
    if instruments.lpips and spec.space == "pixels":
        found["lpips"] = instruments.lpips.measure(recovered, true).double()
    if instruments.embedding is not None and spec.space == "embedding":
        table = instruments.embedding.to(recovered)
        found["token_accuracy"] = token_accuracy(recovered, true, table)
        found["token_recall"] = token_recall(recovered, true, table)
        found["token_count"] = token_count(true, table)
    if instruments.classifier and targets is not None:
        for name, samples in (("classifier_accuracy", recovered), ("classifier_accuracy_true", true)):
            found[name] = (instruments.classifier.predict(samples) == targets).double()
    return found


def _own_nearer(recovered: Tensor, errors: Tensor, own: Matching, strangers: Tensor, spec: InputSpec) -> bool:
    others = squared_errors(to_unit(recovered, spec), to_unit(strangers.cpu(), spec))
    return bool(errors[own].sum() < others[match_samples(others)].sum())
