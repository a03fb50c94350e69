from __future__ import annotations

import pytest
import torch

from stalefl.training.adam import Moments, published_decay

GRADIENTS = [torch.tensor([0.5, -2.0]), torch.tensor([-0.1, 3.0]), torch.tensor([0.2, 0.0])]


def test_steps_are_those_of_torch() -> None:
    reference = torch.tensor([1.0, -1.0], requires_grad=True)
    optimiser = torch.optim.Adam([reference], lr=0.1)
    ours, moments = torch.tensor([1.0, -1.0]), Moments.zero(torch.zeros(2))
    for iteration, gradient in enumerate(GRADIENTS, start=1):
        reference.grad = gradient.clone()
        optimiser.step()
        step, moments = moments.step(gradient, iteration)
        ours = ours - 0.1 * step
    torch.testing.assert_close(ours, reference.detach())


def test_signed_it_sees_only_the_signs() -> None:
    gradient = torch.tensor([0.5, -2.0, 0.0])
    step, moments = Moments.zero(gradient).step(gradient, 1, signed=True)
    torch.testing.assert_close(step, torch.tensor([1.0, -1.0, 0.0]))
    torch.testing.assert_close(moments, Moments(torch.tensor([0.1, -0.1, 0.0]), torch.tensor([0.001, 0.001, 0.0])))


def test_means_take_their_share_of_the_new_gradient() -> None:
    after = Moments(torch.tensor([1.0]), torch.tensor([4.0])).seen(torch.tensor([3.0]), 0.5, 0.2)
    torch.testing.assert_close(after, Moments(torch.tensor([2.0]), torch.tensor([5.0])))


@pytest.mark.parametrize("shares", [(0.1, 0.001), (0.5, 0.2)])
def test_fused_means_differ_by_rounding_alone(shares: tuple[float, float]) -> None:
    plain = fused = Moments.zero(GRADIENTS[0])
    for gradient in GRADIENTS:
        plain, fused = plain.seen(gradient, *shares), fused.seen(gradient, *shares, fused=True)
    torch.testing.assert_close(fused, plain)


def test_the_published_learning_rate_is_a_tenth_after_three_five_and_seven_eighths() -> None:
    factors = [published_decay(iteration, 80) for iteration in (0, 29, 30, 49, 50, 69, 70, 79)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
