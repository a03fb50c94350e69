from __future__ import annotations

import math

import pytest
import torch

from stalefl.audit.measure.images import finite, mse, psnr, relative_rmse, ssim, ssim_window
from stalefl.contracts import InputSpec
from stalefl.seeds import named_generator

TWO_CHANNELS = InputSpec(shape=(2, 1, 2), classes=2, value_range=((-1.0, 0.0), (1.0, 10.0)))


def test_what_is_no_number_shows_nothing() -> None:
    inputs = torch.tensor([[[[math.nan, 0.5]], [[math.inf, 3.0]]]])
    assert finite(inputs, TWO_CHANNELS).flatten().tolist() == [0.0, 0.5, 5.0, 3.0]


def test_mse_and_psnr_of_one_sample() -> None:
    true, recovered = torch.zeros(1, 1, 2, 2), torch.tensor([[[[0.2, 0.0], [0.0, 0.0]]]])
    assert mse(recovered, true).tolist() == pytest.approx([0.01])
    assert psnr(recovered, true).tolist() == pytest.approx([20.0])


def test_a_copy_has_a_finite_psnr_and_an_ssim_of_one() -> None:
    images = torch.rand(3, 3, 32, 32, generator=named_generator(0, "images"))
    assert psnr(images, images).tolist() == [100.0] * 3
    assert ssim(images, images).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize(("side", "window"), [(32, 11), (11, 11), (10, 9), (8, 7), (3, 3), (2, 1)])
def test_the_ssim_window_fits_the_image(side: int, window: int) -> None:
    assert ssim_window(side) == window
    images = torch.rand(2, 1, side, side + 1, generator=named_generator(0, "images"))
    assert ssim(images, 1 - images).shape == (2,)


def test_ssim_of_even_images_is_its_luminance_term() -> None:
    # (2ab + c1) / (a^2 + b^2 + c1) with c1 = 0.0001; the contrast term is 1.
    a, b = torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.25)
    assert ssim(a, b).tolist() == pytest.approx([0.2501 / 0.3126], rel=1e-5)


def test_a_constant_at_the_mean_has_a_relative_error_of_one() -> None:
    true = torch.tensor([[[0.0, 1.0], [0.4, 0.6]]])
    assert relative_rmse(torch.full_like(true, 0.5), true).tolist() == pytest.approx([1.0])
    assert relative_rmse(true, true).tolist() == [0.0]


def test_a_flat_signal_has_one_mean_and_a_constant_one_no_relative_error() -> None:
    true = torch.tensor([[0.0, 1.0, 0.5, 0.5], [0.3, 0.3, 0.3, 0.3]])
    found = relative_rmse(torch.full_like(true, 0.5), true).tolist()
    assert found[0] == pytest.approx(1.0)
    assert math.isnan(found[1])
