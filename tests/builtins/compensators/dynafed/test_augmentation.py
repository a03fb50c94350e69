from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from stalefl.builtins.compensators.dynafed.augmentation import (
    OPERATIONS,
    augmented,
    colour,
    crop,
    cutout,
    flip,
    rotate,
    scale,
)
from stalefl.seeds import named_generator

Operation = Callable[[Tensor, torch.Generator], Tensor]


def pictures(count: int = 200, channels: int = 1, size: int = 8) -> Tensor:
    return torch.randn(count, channels, size, size, generator=named_generator(0, "test-pictures"))


def drawing(seed: int = 0) -> torch.Generator:
    return named_generator(seed, "test-augmentation")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_draws_from_its_generator_and_lets_gradients_through(
    operation: Operation, channels: int
) -> None:
    images = pictures(20, channels).requires_grad_()
    changed = operation(images, drawing())
    assert changed.shape == images.shape
    assert torch.equal(changed, operation(images, drawing()))
    assert not torch.equal(changed, operation(images, drawing(1)))
    assert not torch.equal(changed, images)
    (gradient,) = torch.autograd.grad(changed.square().sum(), images)
    assert gradient.abs().sum() > 0


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = pictures()
    flipped = flip(images, drawing())
    mirrored = (flipped == images.flip(3)).flatten(1).all(dim=1)
    kept = (flipped == images).flatten(1).all(dim=1)
    assert (mirrored ^ kept).all()
    assert 70 < mirrored.sum() < 130


def test_a_crop_shifts_by_at_most_an_eighth_and_fills_with_zeros() -> None:
    """Of 8 x 8 pixels: by one pixel at most, so that the middle one stays or moves to a neighbour, whole."""
    images = torch.zeros(200, 1, 8, 8)
    images[:, 0, 3, 3] = 1.0
    shifted = crop(images, drawing())
    torch.testing.assert_close(shifted[:, 0, 2:5, 2:5].sum(dim=(1, 2)), torch.ones(200))
    torch.testing.assert_close(shifted.amax(dim=(1, 2, 3)), torch.ones(200))
    assert (shifted.mean(dim=0)[0, 2:5, 2:5] > 0.02).all()
    edges = crop(torch.ones(200, 1, 8, 8), drawing())[:, 0].amin(dim=(1, 2)).round()
    assert set(edges.tolist()) == {0.0, 1.0}


def test_a_cutout_sets_a_box_of_half_the_size_to_zero() -> None:
    """4 x 4 of 8 x 8 pixels, less where it reaches over the edge, never more; a quarter of it at the corners."""
    missing = (cutout(torch.ones(400, 2, 8, 8), drawing()) == 0).sum(dim=(2, 3))
    assert torch.equal(missing[:, 0], missing[:, 1])
    assert (int(missing.min()), int(missing.max())) == (4, 16)


def test_colour_shifts_and_scales_a_grey_image_as_a_whole() -> None:
    """Without colour there is no saturation to change: an affine map of all pixels, contrast 0.5 to 1.5."""
    images = pictures()
    changed = colour(images, drawing())
    slopes = changed.flatten(1).std(dim=1) / images.flatten(1).std(dim=1)
    shifts = (changed - images).mean(dim=(1, 2, 3))
    assert (slopes > 0.499).all()
    assert (slopes < 1.501).all()
    assert (shifts.abs() < 0.501).all()
    assert slopes.std() > 0.2
    assert shifts.std() > 0.2


def test_scale_and_rotation_keep_the_middle_and_stay_small() -> None:
    """A dot in the middle of 9 x 9 pixels stays there; one four pixels off moves by less than two."""
    images = torch.zeros(100, 1, 9, 9)
    images[:, 0, 4, 4] = 1.0
    for operation in (scale, rotate):
        torch.testing.assert_close(operation(images, drawing())[:, 0, 4, 4], torch.ones(100))
    images[:, 0, 4, 8] = 1.0
    rows = torch.arange(9.0)[None, :, None]
    off = rotate(images, drawing())[:, 0, :, 6:]
    heights = (off * (rows - 4)).sum(dim=(1, 2)) / off.sum(dim=(1, 2)).clamp(min=1e-6)
    assert heights.abs().max() < 2
    assert heights.std() > 0.2


def test_one_operation_is_drawn_for_all_images() -> None:
    images = pictures(5)
    names = set()
    for seed in range(60):
        found = augmented(images, drawing(seed))
        generator = drawing(seed)
        torch.randint(len(OPERATIONS), (), generator=generator)
        state = generator.get_state()
        for operation in OPERATIONS:
            generator.set_state(state)
            if torch.equal(found, operation(images, generator)):
                names.add(operation.__name__)
    assert names == {operation.__name__ for operation in OPERATIONS}
