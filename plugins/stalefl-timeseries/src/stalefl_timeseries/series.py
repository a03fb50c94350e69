"""Labelled series in memory, and what all data sets of series make of them: one length, classes, splits, scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stalefl.contracts import Dataset, InputError, InputSpec, Split
from stalefl.data.labels import empty_classes
from stalefl.data.memory import check_memory
from stalefl.seeds import named_rng

Array = NDArray[Any]
Unequal = Literal["error", "pad", "resample"]


class Series(NamedTuple):
    """One labelled series: ``values`` float32 [channels, steps]. ``name`` says in errors which one it is."""

    name: str
    label: str
    values: Array
    times: Array | None = None
    """[steps], in any unit, ascending; None where the steps are even."""


@dataclass(frozen=True)
class Standardise:
    """Raw series [n, C, L] -> (raw - mean) / std by channel, clipped to the least and greatest value of training."""

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor
    """Each [C, 1]."""

    @classmethod
    def of(cls, raw: Tensor) -> Standardise:
        """From the training series [N, C, L]."""
        by_channel = raw.transpose(0, 1).flatten(1).double()
        mean, std = (f(by_channel).float()[:, None] for f in (_mean, _std))
        scaled = (raw - mean) / std
        return cls(mean, std, scaled.amin(dim=(0, 2))[:, None], scaled.amax(dim=(0, 2))[:, None])

    def __call__(self, raw: Tensor) -> Tensor:
        return ((raw - self.mean) / self.std).clamp(self.low, self.high)


def _mean(values: Tensor) -> Tensor:
    return values.mean(dim=1)


def _std(values: Tensor) -> Tensor:
    return values.std(dim=1, correction=0)


def of_one_length(series: Sequence[Series], unequal: Unequal, length: int) -> Array:
    """The values [N, C, L] of series of whatever length.

    With ``error`` they must have the same; ``pad`` holds the last value until the series has ``length`` steps and cuts
    off what is longer; ``resample`` interpolates linearly at as many places, even in time, from a series' first to its
    last. A ``length`` of 0 is that of the longest series. Raises InputError naming the first series that does not fit.
    """
    if unequal == "error":
        if length:
            raise InputError(f'length = {length} goes with unequal = "pad" or "resample"; valid: one of these, or 0')
        _check_one_length(series)
        return np.stack([one.values for one in series])
    length = length or max(one.values.shape[1] for one in series)
    needed = 8 * len(series) * len(series[0].values) * length
    check_memory(needed, f"{len(series)} series of {length} steps", "valid: a smaller length")
    if unequal == "pad":
        return np.stack([_padded(one.values, length) for one in series])
    return np.stack([_resampled(one, length) for one in series])


def _check_one_length(series: Sequence[Series]) -> None:
    first = series[0]
    steps = first.values.shape[1]
    if other := next((one for one in series if one.values.shape[1] != steps), None):
        raise InputError(
            f"{other.name} has {other.values.shape[1]} steps, {first.name} has {steps}; "
            'valid: series of one length, or unequal = "pad" or "resample"'
        )


def _padded(values: Array, length: int) -> Array:
    cut = values[:, :length]
    return np.pad(cut, ((0, 0), (0, length - cut.shape[1])), mode="edge")


def _resampled(one: Series, length: int) -> Array:
    times = np.arange(one.values.shape[1]) if one.times is None else one.times
    if (np.diff(times) <= 0).any():
        raise InputError(f'{one.name} has two steps at one time; valid: one, for unequal = "resample"')
    places = np.linspace(times[0], times[-1], length)
    return np.stack([np.interp(places, times, channel) for channel in one.values]).astype(np.float32)


def stratified(targets: Tensor, class_names: Sequence[str], test_fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the test series: of every class a share drawn with ``seed``, at least one series
    for either. Raises InputError naming a class that has only one."""
    rng = named_rng(0, "series-test-split", seed)
    in_test = torch.zeros(len(targets), dtype=torch.bool)
    for k, name in enumerate(class_names):
        own = rng.permutation((targets == k).nonzero().flatten().numpy())
        if len(own) < 2:
            raise InputError(f"class {name} has one series only; valid: two or more, for training and testing")
        count = min(max(round(len(own) * test_fraction), 1), len(own) - 1)
        in_test[torch.from_numpy(own[:count])] = True
    return (~in_test).nonzero().flatten(), in_test.nonzero().flatten()


def series_dataset(
    name: str,
    train: tuple[Array, Tensor],
    test: tuple[Array, Tensor],
    class_names: Sequence[str],
    channel_names: Sequence[str],
) -> Dataset:
    """A data set of series [N, C, L] with targets [N], standardised by what the training split says of each channel.

    The value range, in which the inversion searches, is that of the training split; test values beyond it are clipped.
    Raises InputError naming a class without series in a split, or a channel that never changes.
    """
    raw, test_raw = (torch.from_numpy(np.ascontiguousarray(part[0], dtype=np.float32)) for part in (train, test))
    for split, targets in (("training", train[1]), ("test", test[1])):
        _check_classes(name, split, targets, class_names)
    _check_channels(name, raw, channel_names)
    scale = Standardise.of(raw)
    value_range = tuple(scale.low.flatten().tolist()), tuple(scale.high.flatten().tolist())
    spec = InputSpec(
        tuple(raw.shape[1:]),
        len(class_names),
        value_range,
        "signal",
        tuple(class_names),
        channel_names=tuple(channel_names),
    )
    return Dataset(name, Split(raw, train[1], scale), Split(test_raw, test[1], scale), spec)


def _check_classes(name: str, split: str, targets: Tensor, class_names: Sequence[str]) -> None:
    if empty := empty_classes(targets, class_names):
        raise InputError(f"{name}: no series of class {empty[0]} in the {split} split; valid: every class in both")


def _check_channels(name: str, raw: Tensor, channel_names: Sequence[str]) -> None:
    flat = (raw.amax(dim=(0, 2)) == raw.amin(dim=(0, 2))).tolist()
    if constant := [each for each, is_flat in zip(channel_names, flat, strict=True) if is_flat]:
        raise InputError(f"{name}: channel {constant[0]} never changes in the training split; leave it out")
