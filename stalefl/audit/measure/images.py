"""How far recovered samples are from the true ones they are matched to, on the scale 0..1 of the value range.

All functions take batches [n, *shape] of pairs and give float64 [n].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.training.value_range import bounds

PSNR_CAP_DB = 100.0
"""The PSNR of a copy would be infinite, and with it every mean over it."""
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def finite(inputs: Tensor, spec: InputSpec) -> Tensor:
    """The model inputs with the middle of the range where a diverged attack left no number: that shows nothing."""
    least, greatest = bounds(spec, inputs.device)
    return torch.where(inputs.isfinite(), inputs, (least + greatest) / 2)


def mse(recovered: Tensor, true: Tensor) -> Tensor:
    return (recovered - true).flatten(1).double().square().mean(dim=1)


def psnr(recovered: Tensor, true: Tensor) -> Tensor:
    """-10 log10(MSE) in dB, for values in 0..1; at most ``PSNR_CAP_DB``."""
    return -10 * mse(recovered, true).clamp(min=10 ** (-PSNR_CAP_DB / 10)).log10()


def relative_rmse(recovered: Tensor, true: Tensor) -> Tensor:
    """|x - x*| / |x* - mean(x*)|, the mean over each channel's own values (of a flat signal over all of them): 1 is
    what a constant at the signal's mean would get. NaN where the true signal is constant."""
    varying = true if true.dim() > 2 else true.unsqueeze(1)
    spread = (varying - varying.mean(dim=-1, keepdim=True)).flatten(1).double().norm(dim=1)
    error = (recovered - true).flatten(1).double().norm(dim=1)
    return torch.where(spread > 1e-6, error / spread, math.nan)


def ssim(recovered: Tensor, true: Tensor) -> Tensor:
    """Structural similarity (Wang et al., IEEE TIP 2004) of images [n, C, H, W] in 0..1, by torchmetrics.

    The window is theirs, 11x11 with a deviation of 1.5 pixels. Images with a shorter side have the greatest odd window
    that fits, its deviation scaled with it (7x7 for 8x8 images): such values compare with their like only.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    window = ssim_window(min(true.shape[2:]))
    found = structural_similarity_index_measure(
        recovered.double(), true.double(), sigma=SSIM_SIGMA * window / SSIM_WINDOW, data_range=1.0, reduction="none"
    )
    assert isinstance(found, Tensor)
    return found.reshape(-1)


def ssim_window(side: int) -> int:
    """The window's side, in pixels, for images whose shorter side is ``side``."""
    return min(SSIM_WINDOW, side - 1 + side % 2)
