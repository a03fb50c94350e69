from __future__ import annotations

import torch

from stalefl.audit.cases import Truth
from stalefl.audit.references import common_share, noise, strangers
from stalefl.contracts import InputSpec, Split
from stalefl.run.parts import load_dataset
from tests.audit.problem import CONTEXT, experiment

DIGITS = load_dataset(experiment(), CONTEXT)
TRUTH = Truth(*DIGITS.train.take(range(40)))


def test_noise_fills_the_value_range_of_every_channel() -> None:
    spec = InputSpec((2, 8, 8), 3, ((-1.0, 10.0), (1.0, 12.0)))
    truth = Truth(torch.zeros(20, 2, 8, 8), torch.zeros(20, dtype=torch.long))
    found = noise(truth, spec, seed=0, case=0)
    assert found.inputs is not None
    assert found.inputs.shape == truth.inputs.shape
    for channel, (low, high) in enumerate([(-1, 1), (10, 12)]):
        values = found.inputs[:, channel]
        assert low <= values.min() < low + 0.05
        assert high - 0.05 < values.max() <= high
    assert found.labels.sum(dim=0).min() > 0


def test_noise_and_strangers_are_another_for_every_case_and_the_same_each_time() -> None:
    for draw in (
        lambda case: noise(TRUTH, DIGITS.spec, 0, case).inputs,
        lambda case: strangers(TRUTH, DIGITS.test, DIGITS.spec, 0, case).inputs,  # type: ignore[union-attr]
    ):
        assert torch.equal(draw(0), draw(0))
        assert not torch.equal(draw(0), draw(1))


def test_strangers_are_test_samples_of_the_classes() -> None:
    found = strangers(TRUTH, DIGITS.test, DIGITS.spec, seed=0, case=0)
    assert found is not None
    assert found.inputs is not None
    assert torch.equal(found.labels.argmax(dim=1), TRUTH.targets)
    test_inputs = DIGITS.test.take(range(len(DIGITS.test)))[0].flatten(1)
    train_inputs = DIGITS.train.take(range(len(DIGITS.train)))[0].flatten(1)
    for stranger, target in zip(found.inputs.flatten(1), TRUTH.targets, strict=True):
        places = (test_inputs == stranger).all(dim=1).nonzero().flatten()
        assert target in DIGITS.test.targets[places]
        assert not (train_inputs == stranger).all(dim=1).any()


def test_without_a_class_in_the_test_split_there_are_no_strangers() -> None:
    kept = (DIGITS.test.targets != TRUTH.targets[3]).nonzero().flatten()
    test = Split(DIGITS.test.raw[kept], DIGITS.test.targets[kept], DIGITS.test.to_model)
    assert strangers(TRUTH, test, DIGITS.spec, seed=0, case=0) is None


def test_the_most_common_class() -> None:
    assert common_share(torch.tensor([3, 0, 3, 1])) == 0.5
