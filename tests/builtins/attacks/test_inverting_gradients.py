from __future__ import annotations

import pytest

from stalefl.builtins.attacks.inverting_gradients import InvertingGradients, InvertingGradientsOptions
from stalefl.contracts import Leak, LocalTraining
from tests.builtins.attacks.exposures import Convolution, exposure, images, worst_error


def invert(samples: int = 1, defence: str = "none", **options: object) -> Leak:
    chosen = InvertingGradientsOptions.model_validate({"tv": 1e-4, "iterations": 600, **options})
    return InvertingGradients(chosen).attack(exposure(samples, defence=defence, model=Convolution), lambda share: None)


@pytest.mark.parametrize("labels", ["inferred", "soft"])
def test_one_input_is_recovered(labels: str) -> None:
    leak = invert(labels=labels)
    assert worst_error(leak.inputs, images(1)[0]) < 0.05
    assert leak.labels.argmax(dim=1).tolist() == [1]


def test_two_inputs_are_recovered() -> None:
    assert worst_error(invert(2).inputs, images(2)[0]) < 0.05


def test_the_length_of_the_update_does_not_matter() -> None:
    assert worst_error(invert(defence="clip=1e-4").inputs, images(1)[0]) < 0.05


def test_labels_of_several_samples_are_those_of_label_counts() -> None:
    labels = invert(4, iterations=1).labels
    assert labels.sum(dim=0).tolist() == [1, 2, 1]
    assert labels.sum(dim=1).tolist() == [1, 1, 1, 1]


def test_of_adams_updates_the_signs_are_compared() -> None:
    exposed = exposure(model=Convolution, training=LocalTraining(local_epochs=1, lr=0.01, optimizer="adam"))
    attack = InvertingGradients(InvertingGradientsOptions(iterations=300))
    leak, inputs = attack.attack(exposed, lambda share: None), images(1)[0]
    assert leak.inputs is not None
    assert leak.labels.argmax(dim=1).tolist() == [1]
    assert (leak.inputs - inputs).square().mean() < 0.7 * (inputs - inputs.mean()).square().mean()
