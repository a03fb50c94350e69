"""Checks of a data set: what its spec says and what its samples are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputSpec, Split
from stalefl.testing.findings import Check, Finding, assert_none_failed, created, findings
from stalefl.testing.plugins import check_description, check_options_are_validated, class_check
from stalefl.testing.trial import described
from stalefl.testing.watching import global_draws, same
from stalefl.training.value_range import bounds

SAMPLES_LOOKED_AT = 500
"""So many, spread over a split, are looked at as a model receives them."""
NOWHERE = DataContext(Path("data"))


def check_dataset(
    cls: type[DatasetPlugin], options: Mapping[str, Any] | None = None, context: DataContext = NOWHERE
) -> list[Finding]:
    """All checks of a data set, read as ``context`` says. Gives what they found, notes alone if it is not there; raises
    AssertionError that lists those that failed."""
    return assert_none_failed(cls, findings(DATASET_CHECKS, cls, options, context))


def check_it_loads(
    cls: type[DatasetPlugin], options: Mapping[str, Any] | None = None, context: DataContext = NOWHERE
) -> str:
    """``load`` gives a Dataset with a training and a test split, or refuses with InputError."""
    dataset = _load(cls, options, context)
    assert isinstance(dataset, Dataset), f"load gives {described(dataset)}; it must give a Dataset"
    for name, split in _splits(dataset):
        assert len(split) > 0, f"the {name} split is empty"
        counts = f"{len(split.raw)} raw values and {len(split)} targets"
        assert len(split.raw) == len(split), f"the {name} split has {counts}"
    return ""


def check_samples_are_as_the_spec_says(
    cls: type[DatasetPlugin], options: Mapping[str, Any] | None = None, context: DataContext = NOWHERE
) -> str:
    """Samples are finite float32 [*spec.shape] within the value range, which has a least and a greatest value for each
    channel; channels are all named or none is."""
    dataset = _load(cls, options, context)
    low, high = _value_range(dataset.spec)
    named, channels = len(dataset.spec.channel_names), dataset.spec.shape[0]
    assert named in (0, channels), f"spec.channel_names has {named} names for {channels} channels"
    for name, split in _splits(dataset):
        inputs, _ = split.take(_some(split))
        expected = f"float32 [n, {', '.join(map(str, dataset.spec.shape))}]"
        right = inputs.dtype == torch.float32 and tuple(inputs.shape[1:]) == dataset.spec.shape
        assert right, f"inputs of the {name} split are {described(inputs)}; spec.shape says {expected}"
        assert bool(inputs.isfinite().all()), f"inputs of the {name} split are not finite"
        inside = bool(((inputs >= low) & (inputs <= high)).all())
        found = f"{float(inputs.min()):.6g} to {float(inputs.max()):.6g}"
        assert inside, f"inputs of the {name} split, {found}, leave spec.value_range {dataset.spec.value_range}"
    return ""


def check_classes_are_as_the_spec_says(
    cls: type[DatasetPlugin], options: Mapping[str, Any] | None = None, context: DataContext = NOWHERE
) -> str:
    """Targets are int64 from 0 to spec.classes - 1, every class occurs in both splits, and names, if given, are as
    many."""
    dataset = _load(cls, options, context)
    classes, names = dataset.spec.classes, dataset.spec.class_names
    assert len(names) in (0, classes), f"spec.class_names has {len(names)} names for {classes} classes"
    for name, split in _splits(dataset):
        targets = split.targets
        right = targets.dtype == torch.int64 and targets.dim() == 1
        assert right, f"targets of the {name} split are {described(targets)}; they must be int64 [N]"
        span = f"{int(targets.min())} to {int(targets.max())}"
        inside = bool(((targets >= 0) & (targets < classes)).all())
        assert inside, f"targets of the {name} split are {span}; spec.classes = {classes} allows 0 to {classes - 1}"
        missing = (targets.bincount(minlength=classes) == 0).nonzero().flatten().tolist()
        assert not missing, f"classes without a sample in the {name} split: {', '.join(map(str, missing))}"
    return ""


def check_the_same_data_come_twice(
    cls: type[DatasetPlugin], options: Mapping[str, Any] | None = None, context: DataContext = NOWHERE
) -> str:
    """Loaded again, the data are the same, in the same order, and nothing is drawn from a global random state."""
    drawn = list[str]()
    with global_draws(drawn):
        first, again = _load(cls, options, context), _load(cls, options, context)
    assert not drawn, f"load draws from {drawn[0]}; use stalefl.seeds.named_generator or named_rng"
    assert first.spec == again.spec, "loaded twice, the spec differs"
    for (name, one), (_, other) in zip(_splits(first), _splits(again), strict=True):
        assert same(one.targets, other.targets), f"loaded twice, the targets of the {name} split differ"
        assert same(one.raw, other.raw), f"loaded twice, the samples of the {name} split differ"
    return ""


def check_samples_can_be_taken_again(
    cls: type[DatasetPlugin], options: Mapping[str, Any] | None = None, context: DataContext = NOWHERE
) -> str:
    """``to_model`` gives the same inputs for the same raw values, in any company, and leaves these as they are."""
    for name, split in _splits(_load(cls, options, context)):
        chosen = _some(split)
        before = split.raw[chosen].clone()
        inputs, again = split.take(chosen)[0], split.take(chosen[:1])[0]
        assert same(split.raw[chosen], before), f"to_model changes the raw values of the {name} split"
        assert same(inputs[:1], again), f"to_model gives another input for the same sample of the {name} split"
    return ""


DATASET_CHECKS: Sequence[Check] = (
    class_check("dataset"),
    check_description,
    check_options_are_validated,
    check_it_loads,
    check_samples_are_as_the_spec_says,
    check_classes_are_as_the_spec_says,
    check_the_same_data_come_twice,
    check_samples_can_be_taken_again,
)


def _load(cls: type[DatasetPlugin], options: Mapping[str, Any] | None, context: DataContext) -> Dataset:
    loaded: Dataset = created(cls, options or {}).load(context)
    return loaded


def _splits(dataset: Dataset) -> Iterator[tuple[str, Split]]:
    yield "training", dataset.train
    yield "test", dataset.test


def _some(split: Split) -> Tensor:
    """Indices of samples, spread evenly."""
    return torch.arange(0, len(split), max(1, len(split) // SAMPLES_LOOKED_AT))


def _value_range(spec: InputSpec) -> tuple[Tensor, Tensor]:
    """The least and the greatest value, each [C, 1, ...]."""
    channels = spec.shape[0]
    lengths = tuple(map(len, spec.value_range))
    assert lengths == (channels, channels), f"spec.value_range has {lengths} values for {channels} channels"
    low, high = bounds(spec)
    assert bool((low < high).all()), f"spec.value_range {spec.value_range}: the least values must be below the greatest"
    return low, high
