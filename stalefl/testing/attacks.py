"""Checks of an attack, on updates of the example model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from stalefl.contracts import Attack, Exposure, InputError, Leak
from stalefl.testing.examples import EXAMPLE_SPEC, EXAMPLE_TRAINING, example_exposure
from stalefl.testing.findings import Check, Finding, assert_none_failed, created, findings
from stalefl.testing.plugins import check_description, check_options_are_validated, class_check
from stalefl.testing.trial import described
from stalefl.testing.watching import difference, global_draws, snapshot, watched

SLACK = 1e-4
"""How far the sum of a distribution, or an input, may be off."""


def check_attack(cls: type[Attack], options: Mapping[str, Any] | None = None) -> list[Finding]:
    """All checks of an attack. Gives what they found; raises AssertionError that lists those that failed."""
    return assert_none_failed(cls, findings(ATTACK_CHECKS, cls, options))


def check_attempts(cls: type[Attack], options: Mapping[str, Any] | None = None) -> str:
    """``attack`` gives a Leak, or ``unfit`` says in words why not; one sample and one step, or several of either."""
    for leak in _attempts(cls, options).leaks:
        assert math.isfinite(leak.loss), f"the loss is {leak.loss}; of several attempts the one with the least is kept"
    return ""


def check_labels_are_distributions(cls: type[Attack], options: Mapping[str, Any] | None = None) -> str:
    """Labels are [M, classes], one distribution each: none below 0, each adding up to 1."""
    for leak in _attempts(cls, options).leaks:
        labels, classes = leak.labels, EXAMPLE_SPEC.classes
        right = isinstance(labels, Tensor) and labels.dim() == 2 and labels.shape[1] == classes
        assert right, f"labels are {described(labels)}; they must be [M, {classes}], a distribution for each sample"
        sums = labels.sum(dim=1)
        distributions = bool((labels >= -SLACK).all()) and bool(((sums - 1).abs() <= SLACK).all())
        assert distributions, f"labels are no distributions: {labels[0].tolist()} adds up to {float(sums[0]):.6g}"
    return ""


def check_inputs_are_in_range(cls: type[Attack], options: Mapping[str, Any] | None = None) -> str:
    """Inputs, if the attack gives any, are [M, *spec.shape], as many as labels, and within the value range."""
    leaks = [leak for leak in _attempts(cls, options).leaks if leak.inputs is not None]
    if not leaks:
        return "it recovers labels alone"
    low, high = (torch.tensor(bound) for bound in EXAMPLE_SPEC.value_range)
    for labels, inputs, *_ in leaks:
        right = isinstance(inputs, Tensor) and inputs.shape == (len(labels), *EXAMPLE_SPEC.shape)
        expected = [len(labels), *EXAMPLE_SPEC.shape]
        assert right, f"inputs are {described(inputs)}; they must be {expected}, one for each of the labels"
        assert inputs is not None
        inside = bool(((inputs >= low - SLACK) & (inputs <= high + SLACK)).all())
        assert inside, f"inputs, {float(inputs.min()):.6g} to {float(inputs.max()):.6g}, leave the range of -1 to 1"
    return ""


def check_exposure_stays_unchanged(cls: type[Attack], options: Mapping[str, Any] | None = None) -> str:
    """The attack does not change the update and the weights that it is given."""
    changed = _attempts(cls, options).changed
    assert not changed, f"attack changes {changed[0]} in place; make a new one" if changed else ""
    return ""


def check_the_attack_draws_from_its_generator(cls: type[Attack], options: Mapping[str, Any] | None = None) -> str:
    """Nothing is drawn from a global random state; where ``draws`` is False nothing at all."""
    seen = _attempts(cls, options)
    assert not seen.drawn, f"attack draws from {seen.drawn[0]}; draw from exposure.generator" if seen.drawn else ""
    used = "attack draws from exposure.generator, but draws = False says that it does not"
    assert cls.draws or not seen.generator_used, used
    return ""


def check_same_generator_same_leak(cls: type[Attack], options: Mapping[str, Any] | None = None) -> str:
    """The same update and a generator in the same state give the same leak, bit for bit."""
    first = _attempts(cls, options)
    attempts = zip(first.exposures, first.leaks, strict=True)
    for exposure, leak in attempts:
        again = created(cls, options or {}).attack(_fresh(exposure), lambda share: None)
        place = difference(snapshot({"leak": tuple(leak)}), snapshot({"leak": tuple(again)}))
        assert not place, f"the same generator gives another {dict(zip(_PLACES, Leak._fields, strict=True))[place]}"
    return ""


def check_progress(cls: type[Attack], options: Mapping[str, Any] | None = None) -> str:
    """``on_progress`` is told shares from 0 to 1."""
    wrong = [share for share in _attempts(cls, options).shares if not 0 <= share <= 1]
    assert not wrong, f"on_progress is told {wrong[0]}; it must be a share from 0 to 1"
    return ""


ATTACK_CHECKS: Sequence[Check] = (
    class_check("attack"),
    check_description,
    check_options_are_validated,
    check_attempts,
    check_labels_are_distributions,
    check_inputs_are_in_range,
    check_exposure_stays_unchanged,
    check_the_attack_draws_from_its_generator,
    check_same_generator_same_leak,
    check_progress,
)

_PLACES = tuple(f"leak[{index}]" for index in range(len(Leak._fields)))


@dataclass
class Attempts:
    """What was seen of an attack in its attempts, one on each example that fits it."""

    exposures: list[Exposure] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    generator_used: bool = False


def _attempts(cls: Any, options: Mapping[str, Any] | None) -> Attempts:
    """Made once for all checks that ask. Raises InputError if the options are not valid or no example fits."""
    return _attempted(cls, json.dumps(options or {}, sort_keys=True, default=str))


@lru_cache(maxsize=4)
def _attempted(cls: type[Any], options: str) -> Attempts:
    attack, seen, reasons = created(cls, json.loads(options)), Attempts(), []
    for exposure in (example_exposure(), example_exposure(samples=3, training=EXAMPLE_TRAINING)):
        reason = attack.unfit(exposure)
        assert isinstance(reason, str), f"unfit gives {described(reason)}; it must say why in words, or give ''"
        if reason:
            reasons.append(reason)
            continue
        before = exposure.generator.get_state()
        with global_draws(seen.drawn), watched({"exposure": exposure}, seen.changed):
            leak = attack.attack(exposure, seen.shares.append)
        assert isinstance(leak, Leak), f"attack gives {described(leak)}; it must give a Leak"
        seen.leaks.append(leak)
        seen.generator_used |= not torch.equal(before, exposure.generator.get_state())
        seen.exposures.append(exposure)
    if not seen.leaks:
        raise InputError(f"the examples do not fit it: {'; '.join(reasons)}")
    return seen


def _fresh(exposure: Exposure) -> Exposure:
    """The same, with a generator in its first state."""
    return example_exposure(exposure.samples, exposure.training)
