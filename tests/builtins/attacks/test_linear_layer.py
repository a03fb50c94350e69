from __future__ import annotations

import pytest
import torch
from torch import nn

from stalefl.builtins.attacks.linear_layer import LinearLayer, quotient, surest
from stalefl.contracts import InputSpec, Leak, LocalTraining, ModelPlugin
from tests.builtins.attacks.exposures import Convolution, exposure, images, worst_error


class Wide(ModelPlugin):
    """So many relus that every sample has some to itself."""

    def build(self, spec: InputSpec) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 200), nn.ReLU(), nn.Linear(200, 3))


def read(samples: int = 1, **of: object) -> Leak:
    return LinearLayer(LinearLayer.Options()).attack(exposure(samples, **of), lambda share: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "training",
    [
        LocalTraining(local_epochs=1, lr=0.1),
        LocalTraining(local_epochs=5, lr=0.1, momentum=0.5),
        LocalTraining(local_epochs=1, lr=0.1, weight_decay=0.1),
    ],
)
def test_one_sample_is_read_off_exactly_after_any_number_of_steps(training: LocalTraining) -> None:
    leak, (inputs, targets) = read(training=training), images(1)
    assert worst_error(leak.inputs, inputs) < 1e-3
    assert leak.labels.argmax(dim=1).tolist() == targets.tolist()


def test_two_samples_show_in_units_of_their_own() -> None:
    leak, (inputs, targets) = read(2, model=Wide), images(2)
    assert worst_error(leak.inputs, inputs) < 0.02
    assert sorted(leak.labels.argmax(dim=1).tolist()) == sorted(targets.tolist())


def test_the_quotient_weighs_units_and_skips_missing_entries() -> None:
    bias = torch.tensor([1.0, 2.0])
    weights = torch.tensor([[3.0, 0.0, 0.0], [6.0, 8.0, 0.0]])
    assert quotient(weights, bias).tolist() == [3.0, 4.0, 0.0]


def test_agreement_comes_first_and_what_is_alike_is_told_once() -> None:
    found = torch.tensor([[0.9, 0.9], [0.2, 0.4], [0.2, 0.4], [0.5, 3.0], [0.7, 0.1]])
    strength = torch.tensor([0.5, 0.1, 0.2, 9.0, 0.0])
    assert surest(found, strength, 2) == [2, 0]
    assert surest(found, strength, 9) == [2, 0, 3]
    assert surest(found, torch.zeros(5), 3) == [0]


def test_other_first_layers_are_unfit() -> None:
    attack = LinearLayer(LinearLayer.Options())
    assert attack.unfit(exposure()) == ""
    assert "not linear" in attack.unfit(exposure(model=Convolution))
