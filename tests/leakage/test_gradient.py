from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import one_hot

from stalefl.contracts import LocalTraining
from stalefl.leakage.gradient import SentGradient, start_inputs, total_variation, unit_range, unlike_gradient
from tests.builtins.attacks.exposures import Convolution, exposure, images

INPUTS, TARGETS = images(1)
LABELS = one_hot(TARGETS, 3).double()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_the_true_data_give_the_gradient_of_the_first_step(momentum: float, weight_decay: float) -> None:
    training = LocalTraining(local_epochs=1, lr=0.1, momentum=momentum, weight_decay=weight_decay)
    sent = SentGradient.of(exposure(training=training, model=Convolution))
    torch.testing.assert_close(sent.of_data(INPUTS.double(), LABELS), sent.target, rtol=1e-4, atol=1e-6)
    assert sent.distance(INPUTS.double(), LABELS) < 10 * sent.rounding_floor
    assert sent.cosine_distance(INPUTS.double(), LABELS) < 10 * sent.rounding_floor


def test_rounding_leaves_about_the_distance_that_is_expected() -> None:
    for lr in (0.001, 0.1):
        sent = SentGradient.of(exposure(training=LocalTraining(local_epochs=1, lr=lr)))
        assert 0.1 < sent.distance(INPUTS.double(), LABELS) / sent.rounding_floor < 10


def test_the_last_layers_bias_has_the_gradient_p_minus_y() -> None:
    exposed = exposure()
    exposed = replace(exposed, base_weights=torch.zeros_like(exposed.base_weights))
    gradient = SentGradient.of(exposed).of_data(INPUTS.double(), LABELS)
    assert gradient[-3:].tolist() == pytest.approx([1 / 3, -2 / 3, 1 / 3])


def test_only_entries_that_were_sent_are_compared() -> None:
    exposed = exposure(defence="sparsify=0.75")
    assert exposed.sent is not None
    sent = SentGradient.of(exposed)
    assert len(sent.target) == int(exposed.sent.sum())
    assert sent.distance(INPUTS.double(), LABELS) < 1e-10
    assert SentGradient.of(exposed, "all").distance(INPUTS.double(), LABELS) > 1e-3


def test_what_stands_in_entries_that_were_not_sent_is_ignored() -> None:
    exposed = exposure(defence="sparsify=0.75")
    assert exposed.sent is not None
    other = replace(exposed, delta=torch.where(exposed.sent, exposed.delta, 5.0))
    for entries in ("sent", "all"):
        assert torch.equal(SentGradient.of(exposed, entries).target, SentGradient.of(other, entries).target)


def test_inputs_and_labels_are_differentiable() -> None:
    sent = SentGradient.of(exposure())
    inputs, labels = torch.zeros(1, 1, 4, 4).double().requires_grad_(), torch.full((1, 3), 1 / 3).double()
    gradients = torch.autograd.grad(sent.distance(inputs, labels.requires_grad_()), (inputs, labels))
    assert all(g.abs().sum() > 0 for g in gradients)


def test_of_an_update_of_zero_the_distance_is_the_gradients_own_square() -> None:
    exposed = exposure()
    sent = SentGradient.of(replace(exposed, delta=torch.zeros_like(exposed.delta)))
    square = sent.of_data(INPUTS.double(), LABELS).square().sum()
    assert sent.distance(INPUTS.double(), LABELS).item() == pytest.approx(square.item())
    assert sent.cosine_distance(INPUTS.double(), LABELS).item() == 1.0


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0, 1.0], [0.5, 0.5, 0.5]]]])
    # Across: 1, 0, 0, 0; down: 0.5 each.
    assert total_variation(image, smoothing=0.0).item() == pytest.approx(1 / 4 + 0.5)
    assert total_variation(torch.rand(2, 5)).item() == 0.0
    assert total_variation(torch.tensor([[[0.0, 3.0, 1.0]]]), smoothing=0.0).item() == pytest.approx(2.5)


def test_the_search_starts_near_zero() -> None:
    exposed = exposure(2)
    start = unit_range(exposed).to_inputs(start_inputs(exposed, 0.01))
    assert start.shape == (2, 1, 4, 4)
    assert 0 < start.abs().max() < 0.1


def test_adams_updates_are_no_gradients() -> None:
    assert unlike_gradient(exposure()) == ""
    assert "Adam" in unlike_gradient(exposure(training=LocalTraining(local_epochs=1, lr=0.1, optimizer="adam")))
