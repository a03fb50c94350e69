"""Differentiable augmentation of images: what is learned of an image flows back through it.

Paper: Zhao and Bilen, "Dataset Condensation with Differentiable Siamese Augmentation", ICML 2021 (DSA), with its
strategy of six operations: colour, crop, cutout, flip, scale, rotate. A call draws one of them, and its strength for
every image anew. Images are [N, channels, height, width], normalised: what comes in from outside is 0.

Crop, flip, scale and rotate are bilinear resamplings; their derivative is not deterministic on a GPU.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

BRIGHTNESS, SATURATION, CONTRAST = 1.0, 2.0, 0.5
CROP_SHARE, CUTOUT_SHARE, FLIP_PROBABILITY, LARGEST_SCALE, LARGEST_DEGREES = 0.125, 0.5, 0.5, 1.2, 15.0


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """The images after one operation, drawn from ``generator`` (on the CPU) like its strengths; differentiable."""
    operation = OPERATIONS[int(torch.randint(len(OPERATIONS), (), generator=generator))]
    return operation(images, generator)


def colour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness shifted, then saturation and contrast scaled about their means."""
    images = images + _draw(images, -BRIGHTNESS / 2, BRIGHTNESS / 2, generator)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + _draw(images, 0, SATURATION, generator) * (images - grey)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + _draw(images, CONTRAST, 1 + CONTRAST, generator) * (images - mean)


def crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shifted by up to an eighth of the size, in whole pixels, in both directions."""
    shifts = []
    for size in (images.shape[3], images.shape[2]):
        most = int(CROP_SHARE * size + 0.5)
        pixels = torch.randint(-most, most + 1, (len(images),), generator=generator)
        shifts.append(2 * pixels.to(images) / size)
    one, zero = torch.ones_like(shifts[0]), torch.zeros_like(shifts[0])
    return _resampled(images, [[one, zero, shifts[0]], [zero, one, shifts[1]]])


def cutout(images: Tensor, generator: torch.Generator) -> Tensor:
    """A box of half the height and width, anywhere and so perhaps partly outside, set to 0."""
    inside = []
    for size in (images.shape[2], images.shape[3]):
        side = int(CUTOUT_SHARE * size + 0.5)
        first = torch.randint(0, size + 1, (len(images), 1), generator=generator) - side // 2
        pixels = torch.arange(size)
        inside.append((pixels >= first) & (pixels < first + side))
    box = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images * (~box).to(images)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every other image, on average, mirrored left to right."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < FLIP_PROBABILITY
    return torch.where(mirrored.to(images.device), images.flip(3), images)


def scale(images: Tensor, generator: torch.Generator) -> Tensor:
    """Width and height, each by its own factor from 1 / 1.2 to 1.2."""
    across, down = (_draw(images, 1 / LARGEST_SCALE, LARGEST_SCALE, generator).flatten() for _ in range(2))
    zero = torch.zeros_like(across)
    return _resampled(images, [[across, zero, zero], [zero, down, zero]])


def rotate(images: Tensor, generator: torch.Generator) -> Tensor:
    """By up to 15 degrees either way."""
    angle = _draw(images, -LARGEST_DEGREES, LARGEST_DEGREES, generator).flatten() * (math.pi / 180)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _resampled(images, [[cosine, -sine, zero], [sine, cosine, zero]])


OPERATIONS = (colour, crop, cutout, flip, scale, rotate)


def _draw(images: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """One number for each image [N, 1, 1, 1], uniform from ``low`` to ``high``."""
    return (low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=generator)).to(images)


def _resampled(images: Tensor, rows: list[list[Tensor]]) -> Tensor:
    """The images looked up at affinely mapped places; ``rows`` is the 2 x 3 matrix, each entry [N]."""
    matrix = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)
