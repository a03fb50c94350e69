"""Models, data sets and attacks that do what they must not: each is caught by the check that is about it, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

from stalefl.contracts import (
    Attack,
    DataContext,
    Dataset,
    DatasetPlugin,
    InputError,
    InputSpec,
    Leak,
    ModelPlugin,
    Observer,
    Options,
    Split,
)
from stalefl.testing import (
    ATTACK_CHECKS,
    DATASET_CHECKS,
    MODEL_CHECKS,
    OBSERVER_CHECKS,
    check_attack,
    check_model,
    check_observer,
    findings,
)
from stalefl.testing.findings import Check
from stalefl.training.dropout import SeededDropout


def failed(checks: tuple[Check, ...], cls: type[Any], *where: Any) -> dict[str, str]:
    return {each.check: each.text for each in findings(checks, cls, {}, *where) if each.status == "failed"}


# --- models ---------------------------------------------------------------------------------------------------------


class Layers(ModelPlugin):
    summary = "layers"

    def layers(self) -> list[nn.Module]:
        return []

    def build(self, spec: InputSpec) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(4, 20), nn.ReLU(), *self.layers(), nn.Linear(20, 3))


class Seeded(Layers):
    def layers(self):
        return [SeededDropout(0.5)]


class GlobalDropout(Layers):
    def layers(self):
        return [nn.Dropout(0.5)]


class Steps(nn.Module):
    def forward(self, x):
        return x.sign()


class NotDifferentiable(Layers):
    def layers(self):
        return [Steps()]


class WrongLogits(ModelPlugin):
    summary = "one class too many"

    def build(self, spec):
        return nn.Linear(4, spec.classes + 1)


class DrawsWeightsWithNumpy(ModelPlugin):
    summary = "draws its weights with NumPy"

    def build(self, spec):
        layer = nn.Linear(4, 3)
        layer.weight.data = torch.tensor(np.random.rand(3, 4), dtype=torch.float32)  # noqa: NPY002
        return layer


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.calls = [0]

    def forward(self, x):
        self.calls[0] += 1
        return self.layer(x) * self.calls[0]


class CountsCalls(ModelPlugin):
    summary = "counts its calls"

    def build(self, spec):
        return Counter()


class Keeper(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)
        self.kept = self.weight.detach().clone(), self.bias.detach().clone()

    def forward(self, x):
        return nn.functional.linear(x, *self.kept)


class KeepsWeights(ModelPlugin):
    summary = "computes with its first weights, whatever they are now"

    def build(self, spec):
        return Keeper()


class Double(ModelPlugin):
    summary = "float64"

    def build(self, spec):
        return nn.Linear(4, 3).double()


@pytest.mark.parametrize("cls", [Layers, Seeded])
def test_right_models_fail_nothing(cls: type[ModelPlugin]) -> None:
    assert {each.status for each in check_model(cls)} == {"passed"}


@pytest.mark.parametrize(
    ("cls", "check", "said"),
    [
        (
            GlobalDropout,
            "training draws from its generator",
            "training draws from torch's default generator (Dropout 3)",
        ),
        (NotDifferentiable, "training is differentiable", "the update does not depend on the inputs"),
        (WrongLogits, "logits", "4 inputs give a float32 tensor [4, 4]; it must be a float32 tensor [4, 3]"),
        (DrawsWeightsWithNumpy, "initial weights are named", "build draws from NumPy's global generator"),
        (KeepsWeights, "weights are those given", "the logits stay the same whatever the weights"),
        (CountsCalls, "evaluation is deterministic", "evaluated twice, the same inputs give other logits"),
        (Double, "it builds", "parameters that are not float32: weight, bias"),
    ],
)
def test_a_faulty_model(cls: type[ModelPlugin], check: str, said: str) -> None:
    assert failed(MODEL_CHECKS, cls, None)[check].startswith(said)


class ForSound(ModelPlugin):
    summary = "for four channels of sound"

    def build(self, spec):
        if spec.shape != (4, 30):
            raise InputError("four channels of 30 values")
        return nn.Sequential(nn.Conv1d(4, 2, 3), nn.Flatten(), nn.Linear(56, spec.classes))


def test_a_model_for_other_inputs_is_checked_with_its_own_example() -> None:
    last = check_model(ForSound)[-1]
    assert last.status == "note"
    assert "set example_spec in the class" in last.text
    sound = InputSpec((4, 30), 2, ((-1.0,) * 4, (1.0,) * 4), "signal")
    assert {each.status for each in check_model(ForSound, spec=sound)} == {"passed"}
    assert {each.status for each in check_model(type("S", (ForSound,), {"example_spec": sound}))} == {"passed"}


# --- data sets ------------------------------------------------------------------------------------------------------

NOWHERE = DataContext(Path("nowhere"))
SPEC = InputSpec((2,), 2, ((0.0, 0.0), (1.0, 1.0)), "signal", ("a", "b"))


class Two(DatasetPlugin):
    summary = "two classes"
    spec = SPEC
    targets = torch.tensor([0, 1, 0, 1])

    def load(self, context):
        raw = torch.tensor([[0.0, 0.1], [1.0, 0.9], [0.2, 0.0], [0.8, 1.0]])
        return Dataset(
            "two",
            Split(raw, torch.tensor([0, 1, 0, 1]), self.to_model),
            Split(raw, self.targets, self.to_model),
            self.spec,
        )

    def to_model(self, raw):
        return raw.clone()


class OutOfRange(Two):
    def to_model(self, raw):
        return raw * 3


class HalfPrecision(Two):
    def to_model(self, raw):
        return raw.half()


class LacksAClass(Two):
    targets = torch.tensor([0, 0, 0, 0])


class TooManyClasses(Two):
    targets = torch.tensor([0, 1, 2, 1])


class NormalisesInPlace(Two):
    def to_model(self, raw):
        return raw.mul_(1.0)


class ByTheCompany(Two):
    def to_model(self, raw):
        return (raw / raw.max().clamp(min=0.5)).clamp(0, 1)


class Shuffles(Two):
    def load(self, context):
        loaded = super().load(context)
        order = torch.randperm(4)
        return Dataset(
            "two", Split(loaded.train.raw[order], loaded.train.targets[order], self.to_model), loaded.test, SPEC
        )


class NamesTooFew(Two):
    spec = InputSpec((2,), 2, ((0.0, 0.0), (1.0, 1.0)), "signal", ("a",))


class ChannelsTooFew(Two):
    spec = InputSpec((2,), 2, ((0.0, 0.0), (1.0, 1.0)), "signal", channel_names=("x",))


class OneRangeForTwo(Two):
    spec = InputSpec((2,), 2, ((0.0,), (1.0,)), "signal")


def test_a_right_data_set_fails_nothing() -> None:
    assert {each.status for each in findings(DATASET_CHECKS, Two, {}, NOWHERE)} == {"passed"}


@pytest.mark.parametrize(
    ("cls", "check", "said"),
    [
        (OutOfRange, "samples are as the spec says", "inputs of the training split, 0 to 3, leave spec.value_range"),
        (HalfPrecision, "samples are as the spec says", "inputs of the training split are a float16 tensor [4, 2]"),
        (OneRangeForTwo, "samples are as the spec says", "spec.value_range has (1, 1) values for 2 channels"),
        (LacksAClass, "classes are as the spec says", "classes without a sample in the test split: 1"),
        (TooManyClasses, "classes are as the spec says", "targets of the test split are 0 to 2; spec.classes = 2"),
        (NamesTooFew, "classes are as the spec says", "spec.class_names has 1 names for 2 classes"),
        (ChannelsTooFew, "samples are as the spec says", "spec.channel_names has 1 names for 2 channels"),
        (ByTheCompany, "samples can be taken again", "to_model gives another input for the same sample"),
        (Shuffles, "the same data come twice", "load draws from torch's default generator"),
    ],
)
def test_a_faulty_data_set(cls: type[DatasetPlugin], check: str, said: str) -> None:
    assert failed(DATASET_CHECKS, cls, NOWHERE)[check].startswith(said)


# --- attacks --------------------------------------------------------------------------------------------------------


class Guess(Attack):
    summary = "guesses"

    class Options(Options):
        sharpness: float = Field(1.0, description="of the guess")

    def attack(self, exposure, on_progress):
        on_progress(1.0)
        drawn = torch.rand(exposure.samples, 3, generator=exposure.generator)
        return Leak(drawn.softmax(dim=1), torch.zeros(exposure.samples, 4))


class NoDistribution(Guess):
    def attack(self, exposure, on_progress):
        return Leak(torch.full((exposure.samples, 3), 0.5))


class TooFar(Guess):
    def attack(self, exposure, on_progress):
        return Leak(torch.full((1, 3), 1 / 3), torch.full((1, 4), 2.0))


class OneInputTooMany(Guess):
    def attack(self, exposure, on_progress):
        return Leak(torch.full((1, 3), 1 / 3), torch.zeros(2, 4))


class ScalesTheUpdate(Guess):
    def attack(self, exposure, on_progress):
        exposure.delta.mul_(2)
        return super().attack(exposure, on_progress)


class DrawsGlobally(Guess):
    def attack(self, exposure, on_progress):
        return Leak(torch.rand(exposure.samples, 3).softmax(dim=1))


class SaysItDoesNotDraw(Guess):
    draws = False


class Percent(Guess):
    def attack(self, exposure, on_progress):
        on_progress(50)
        return super().attack(exposure, on_progress)


class GivesLabels(Guess):
    def attack(self, exposure, on_progress):
        return torch.zeros(1, 3)


class Never(Guess):
    def unfit(self, exposure):
        return "needs sound"


def test_a_right_attack_fails_nothing() -> None:
    assert {each.status for each in check_attack(Guess)} == {"passed"}


@pytest.mark.parametrize(
    ("cls", "check", "said"),
    [
        (NoDistribution, "labels are distributions", "labels are no distributions: [0.5, 0.5, 0.5] adds up to 1.5"),
        (TooFar, "inputs are in range", "inputs, 2 to 2, leave the range of -1 to 1"),
        (OneInputTooMany, "inputs are in range", "inputs are a float32 tensor [2, 4]; they must be [1, 4]"),
        (ScalesTheUpdate, "exposure stays unchanged", "attack changes exposure.delta in place"),
        (DrawsGlobally, "the attack draws from its generator", "attack draws from torch's default generator"),
        (
            SaysItDoesNotDraw,
            "the attack draws from its generator",
            "attack draws from exposure.generator, but draws = ",
        ),
        (Percent, "progress", "on_progress is told 50; it must be a share from 0 to 1"),
        (GivesLabels, "attempts", "attack gives a float32 tensor [1, 3]; it must give a Leak"),
    ],
)
def test_a_faulty_attack(cls: type[Attack], check: str, said: str) -> None:
    assert failed(ATTACK_CHECKS, cls)[check].startswith(said)


def test_an_attack_that_no_example_fits_is_a_note() -> None:
    last = check_attack(Never)[-1]
    assert last.text == "no further check: the examples do not fit it: needs sound; needs sound"


# --- observers ------------------------------------------------------------------------------------------------------


class Silent(Observer):
    summary = "says nothing"


class EditsRecords(Silent):
    def observe(self, record, method_state):
        record["accuracy"] = 1.0


class EditsWhatTheMethodRemembers(Silent):
    def observe(self, record, method_state):
        method_state["recovered"][2]["inputs"].zero_()


class DrawsGlobally(Silent):
    def begin(self, watched):
        np.random.rand()  # noqa: NPY002


class NeedsEveryFigure(Silent):
    def observe(self, record, method_state):
        round(record["accuracy"], 3)


class TakesRoundsOnce(Silent):
    def begin(self, watched):
        (watched.folder / "rounds").mkdir()


def test_an_observer_that_does_nothing_conforms() -> None:
    assert [finding.status for finding in check_observer(Silent)] == ["passed"] * len(OBSERVER_CHECKS)


@pytest.mark.parametrize(
    ("cls", "check", "text"),
    [
        (EditsRecords, "shown values stay unchanged", "records[0]['accuracy'] is changed"),
        (
            EditsWhatTheMethodRemembers,
            "shown values stay unchanged",
            "method_state['recovered'][2]['inputs'] is changed",
        ),
        (DrawsGlobally, "observing draws nothing globally", "it draws from NumPy's global generator"),
        (NeedsEveryFigure, "a run is observed", "TypeError"),
        (TakesRoundsOnce, "a run may be stopped and gone on with", "FileExistsError"),
    ],
)
def test_faulty_observers_are_caught(cls: type[Any], check: str, text: str) -> None:
    assert text in failed(OBSERVER_CHECKS, cls)[check]
