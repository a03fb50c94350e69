"""What the audit measures: the one table of metrics that tables, pages, pictures and conditions use.

Errors are on the scale 0..1 of the data set's value range. Table 6 of the paper (Wang, Gao, AAAI 2025) gives MSEs of up
to 2.75 and a PSNR of 155 dB, which that scale does not allow: its values are on another, presumably that of the
normalised inputs, and do not compare with these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stalefl.audit.measure.images import PSNR_CAP_DB

READABLE_PSNR_DB = 25.0
DIRECT = ("pixels", "signal")
"""Spaces whose values themselves are compared."""


class Metric(NamedTuple):
    """One measure of a cell, as tables, pages, pictures and conditions know it."""

    name: str
    title: str
    more_is_leak: bool | None
    """True where a higher value is more leakage, False where a lower one is, None for a value to compare with."""
    unit: str
    meaning: str
    spaces: tuple[str, ...] = ("pixels", "signal", "embedding")


_METRICS = (
    Metric(
        "psnr_median",
        "PSNR, median",
        True,
        "dB",
        f"-10 log10 of a sample's mean squared error on 0..1, the median over samples; at most {PSNR_CAP_DB:g}",
        DIRECT,
    ),
    Metric("psnr", "PSNR", True, "dB", "the same, the mean over samples", DIRECT),
    Metric(
        "readable_share",
        "above 25 dB",
        True,
        "share",
        f"share of matched samples with a PSNR of {READABLE_PSNR_DB:g} dB or more",
        DIRECT,
    ),
    Metric("mse", "MSE", False, "0..1 squared", "mean squared error of a sample on 0..1, mean over samples", DIRECT),
    Metric(
        "relative_rmse",
        "relative RMSE",
        False,
        "ratio",
        "|x - x*| / |x* - its mean|, mean over samples; 1 is what a constant gets",
        ("signal",),
    ),
    Metric(
        "ssim",
        "SSIM",
        True,
        "-1..1",
        "structural similarity, mean over samples; 1 for a copy; its window shrinks with images of less than 11 pixels",
        ("pixels",),
    ),
    Metric("lpips", "LPIPS", False, "distance", "perceptual distance, mean over samples; 0 for a copy", ("pixels",)),
    Metric(
        "fid",
        "FID",
        False,
        "distance",
        "Fréchet distance between all recovered and all true images; compares at equal numbers of images only",
        ("pixels",),
    ),
    Metric(
        "classifier_accuracy",
        "recognised",
        True,
        "share",
        "share of recovered samples in which a classifier sees the class of the true sample they are matched to",
    ),
    Metric(
        "classifier_accuracy_true",
        "true ones recognised",
        None,
        "share",
        "the same of the true samples themselves: the most to be expected",
    ),
    Metric(
        "token_accuracy",
        "tokens",
        True,
        "share",
        "share of tokens, padding aside, whose nearest embedding is the true one",
        ("embedding",),
    ),
    Metric(
        "token_recall",
        "tokens anywhere",
        True,
        "share",
        "share of a text's tokens that were recovered at whatever place, padding aside",
        ("embedding",),
    ),
    Metric(
        "token_count",
        "tokens there are",
        None,
        "count",
        "tokens of the matched samples, without padding",
        ("embedding",),
    ),
    Metric(
        "nearest_rmse",
        "nearest RMSE",
        False,
        "0..1",
        "root mean squared error on 0..1 of a recovered sample to the nearest true one, mean over recovered samples",
    ),
    Metric(
        "own_nearer_share",
        "nearer to own",
        True,
        "share",
        "share of clients whose recovered samples are nearer to their own than to strangers of the same classes; "
        "0.5 is chance",
    ),
    Metric(
        "label_accuracy",
        "labels",
        True,
        "share",
        "samples whose label is told: per client, sum over classes of the smaller of recovered and true count",
    ),
    Metric(
        "label_guess",
        "labels guessed",
        None,
        "share",
        "the same of a guess: labels shared out evenly, or all the data set's most common one",
    ),
    Metric("clients", "clients", None, "count", "clients measured"),
    Metric("pairs", "pairs", None, "count", "recovered samples matched to true ones"),
    Metric("samples", "samples", None, "count", "true samples of the clients measured"),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _METRICS}

MetricValues = Mapping[str, "float | None"]
"""One value per metric of the space, by name; None where it is not known."""


def metrics_of(space: str) -> tuple[Metric, ...]:
    return tuple(metric for metric in _METRICS if space in metric.spaces)
