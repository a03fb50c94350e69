"""What was measured of all clients of a cell, put together: a value for every metric of the space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stalefl.audit.measure.metrics import READABLE_PSNR_DB, MetricValues, metrics_of
from stalefl.audit.measure.one_client import CaseMeasurements, Instruments


def summarise_cases(cases: Sequence[CaseMeasurements], instruments: Instruments) -> dict[str, float | None]:
    """A value for every metric of the space: over all pairs of all clients, labels over all their samples."""
    found: dict[str, float | None] = {name: _mean(_pooled(cases, name)) for name in _pair_metrics(cases)}
    found |= {
        "psnr_median": _median(_pooled(cases, "psnr")),
        "token_count": _sum(_pooled(cases, "token_count")),
        "readable_share": share_above(cases, "psnr", READABLE_PSNR_DB),
        "fid": _fid(cases, instruments),
        "nearest_rmse": _mean(_joined([case.nearest_rmse for case in cases])),
        "own_nearer_share": _share([case.own_nearer for case in cases]),
        **_label_summary(cases),
        "clients": len(cases),
        "pairs": sum(0 if case.matching is None else len(case.matching.true) for case in cases),
        "samples": sum(case.samples for case in cases),
    }
    return {metric.name: found.get(metric.name) for metric in metrics_of(instruments.spec.space)}


def share_above(cases: Sequence[CaseMeasurements], name: str, least: float) -> float | None:
    """The share of matched samples whose metric ``name`` is ``least`` or more; None if there are none."""
    values = _pooled(cases, name)
    return None if values is None else float((values >= least).double().mean())


def _pair_metrics(cases: Sequence[CaseMeasurements]) -> list[str]:
    return sorted({name for case in cases for name in case.per_pair})


def _pooled(cases: Sequence[CaseMeasurements], name: str) -> Tensor | None:
    return _joined([case.per_pair.get(name) for case in cases])


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    """None if there is nothing to join; NaN, of a metric that a sample does not have, is left out."""
    known = [part for part in parts if part is not None]
    joined = torch.cat(known) if known else torch.zeros(0)
    joined = joined[~joined.isnan()]
    return joined if len(joined) else None


def _mean(values: Tensor | None) -> float | None:
    return None if values is None else float(values.mean())


def _sum(values: Tensor | None) -> float | None:
    return None if values is None else float(values.sum())


def _median(values: Tensor | None) -> float | None:
    """Of an even number the mean of the middle two."""
    return None if values is None else float(values.quantile(0.5))


def _share(answers: Sequence[bool | None]) -> float | None:
    known = [answer for answer in answers if answer is not None]
    return sum(known) / len(known) if known else None


def _fid(cases: Sequence[CaseMeasurements], instruments: Instruments) -> float | None:
    """None with less than two images, of which there is no covariance."""
    recovered = [case.recovered for case in cases if case.recovered is not None]
    true = [case.true for case in cases if case.true is not None]
    if instruments.fid is None or sum(map(len, true)) < 2:
        return None
    return float(instruments.fid.measure(torch.cat(recovered), torch.cat(true)))


def _label_summary(cases: Sequence[CaseMeasurements]) -> MetricValues:
    known = [case for case in cases if case.label_hits is not None]
    total = sum(case.samples for case in known)
    if not total:
        return {}
    return {
        "label_accuracy": sum(case.label_hits or 0 for case in known) / total,
        "label_guess": sum(case.guessed_hits for case in known) / total,
    }
