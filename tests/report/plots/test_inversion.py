from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

from stalefl.contracts import InputError, InputSpec
from stalefl.inversion.objective import Disparity
from stalefl.report.plots.inversion import draw_inversion, draw_recovered
from stalefl.updates.surface import Surface

TICKS = torch.linspace(-1, 1, 5)


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def image_spec(channels: int) -> InputSpec:
    low, high = (-1.0,) * channels, (3.0,) * channels
    return InputSpec((channels, 4, 4), 3, (low, high))


def share(path: Path, colour: tuple[int, int, int]) -> float:
    return float((np.abs(pixels(path) - colour).max(axis=2) < 6).mean())


def test_images_are_drawn_from_the_value_range(tmp_path: Path) -> None:
    labels = torch.eye(3)
    for name, value, colour in (("low", -1.0, 0), ("middle", 1.0, 128), ("high", 3.0, 255)):
        draw_recovered(torch.full((3, 1, 4, 4), value), labels, image_spec(1), tmp_path / f"{name}.png")
        assert share(tmp_path / f"{name}.png", (colour, colour, colour)) > 0.2


def test_three_channels_are_colours(tmp_path: Path) -> None:
    red = torch.tensor([3.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(4, 3, 4, 4)
    draw_recovered(red, torch.eye(3)[[0, 1, 2, 0]], image_spec(3), tmp_path / "red.png")
    assert share(tmp_path / "red.png", (255, 0, 0)) > 0.2


def test_texts_are_written(tmp_path: Path) -> None:
    spec = InputSpec((3, 2), 3, ((-1.0,) * 3, (1.0,) * 3), space="embedding")
    for name, text in (("empty", ""), ("words", "what is a fear of $hadows ?")):
        draw_recovered([text] * 5, torch.eye(3)[[0, 1, 2, 0, 1]], spec, tmp_path / f"{name}.png")
    assert pixels(tmp_path / "empty.png").shape == pixels(tmp_path / "words.png").shape
    assert pixels(tmp_path / "words.png").mean() < pixels(tmp_path / "empty.png").mean()


def test_at_most_64_samples_are_drawn(tmp_path: Path) -> None:
    def draw(count: int) -> np.ndarray[Any, Any]:
        path = tmp_path / f"{count}.png"
        draw_recovered(torch.zeros(count, 1, 4, 4), torch.ones(count, 3) / 3, image_spec(1), path)
        return pixels(path)

    assert draw(80).shape == draw(64).shape
    assert draw(64).shape[0] > draw(16).shape[0]


@pytest.mark.parametrize("shape", [(6,), (2, 6)])
def test_signals_are_curves(tmp_path: Path, shape: tuple[int, ...]) -> None:
    spec = InputSpec(shape, 3, ((-1.0,) * shape[0], (1.0,) * shape[0]), space="signal")
    draw_recovered(torch.rand(5, *shape), torch.ones(5, 3) / 3, spec, tmp_path / "signal.png")
    assert pixels(tmp_path / "signal.png").std() > 5


def inversion(path: Path, **changed: Any) -> Path:
    x, y = torch.meshgrid(TICKS, TICKS, indexing="xy")
    known: dict[str, Any] = {
        "losses": [1.0, 0.1, 0.01],
        "disparity": "l2",
        "label_shares": [0.9, 0.1, 0.0],
        "true_label_shares": [1.0, 0.0, 0.0],
        "class_names": (),
        "surfaces": {
            "D_rec": Surface(TICKS, (x - 1) ** 2 + y**2 + 0.1, (1.0, 0.0)),
            "noise": Surface(TICKS, (y - 1) ** 2 + 0.1, (0.0, 0.7)),
        },
        "cosine_distances": {"D_rec": 0.0, "noise": 1.0},
        "title": "a title",
    }
    draw_inversion(path, **{**known, **changed})
    return path


def test_surfaces_are_filled_with_the_colours_of_their_losses(tmp_path: Path) -> None:
    whole, bare = inversion(tmp_path / "a.png"), inversion(tmp_path / "b.png", surfaces={})
    saturated = [np.ptp(pixels(path), axis=2) > 60 for path in (whole, bare)]
    assert saturated[0].mean() > 0.15 > saturated[1].mean() > 0.01
    assert pixels(whole).shape[0] > 1.5 * pixels(bare).shape[0]


@pytest.mark.parametrize(
    "losses",
    [
        torch.full((5, 5), 2.0),
        torch.zeros(5, 5),
        TICKS.clamp(min=0) * torch.ones(5, 5),
        TICKS * torch.ones(5, 5),
        torch.full((5, 5), float("nan")),
    ],
    ids=["flat", "zero", "zero in part", "below zero", "no numbers"],
)
def test_odd_surfaces_are_drawn(tmp_path: Path, losses: torch.Tensor) -> None:
    path = inversion(tmp_path / "c.png", surfaces={"D_rec": Surface(TICKS, losses, (0.5, 0.5))})
    assert pixels(path).std() > 5


def test_what_is_unknown_is_left_out(tmp_path: Path) -> None:
    orange = (230, 159, 0)
    assert share(inversion(tmp_path / "known.png"), orange) > 0.005
    assert share(inversion(tmp_path / "unknown.png", true_label_shares=None), orange) < 0.001


def test_many_classes_and_long_names(tmp_path: Path) -> None:
    names = [f"a long name of class {i}" for i in range(60)]
    shares = [1 / 60] * 60
    path = inversion(tmp_path / "n.png", label_shares=shares, true_label_shares=None, class_names=names)
    assert pixels(path).std() > 5


@pytest.mark.parametrize("disparity", get_args(Disparity))
def test_every_disparity_has_a_name(tmp_path: Path, disparity: str) -> None:
    assert pixels(inversion(tmp_path / "d.png", disparity=disparity)).std() > 5


def test_unwritable_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        inversion(tmp_path / "missing" / "c.png")
