from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stalefl.contracts import InputSpec
from stalefl.report.plots.small import draw_delays, draw_kept, draw_panel
from stalefl.report.plots.style import BLUE, LINES

DIGITS = InputSpec((1, 4, 4), 3, ((0.0,), (1.0,)))


def run(level: float) -> list[dict[str, Any]]:
    return [{"round": t, "accuracy": level, "affected_class_accuracy": 1 - level} for t in range(1, 13)]


def coloured(path: Path, colour: str) -> np.ndarray[Any, Any]:
    """Where ``colour`` is, as rows and columns."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return np.argwhere(np.abs(pixels - rgb).max(axis=2) < 8)


@pytest.mark.parametrize(("key", "higher"), [("accuracy", "inversion"), ("affected_class_accuracy", "weighted")])
def test_a_panel_has_one_accuracy_of_every_method(key: str, higher: str, tmp_path: Path) -> None:
    draw_panel({"weighted": [run(0.2)], "inversion": [run(0.8)]}, key, "a title", tmp_path / "a.png", 5)
    # The legend below has the colours too, so the highest place counts.
    tops = {method: coloured(tmp_path / "a.png", LINES[method][0])[:, 0].min() for method in ("weighted", "inversion")}
    assert min(tops, key=lambda method: tops[method]) == higher


def test_a_band_shows_that_seeds_differ(tmp_path: Path) -> None:
    def tinted(seeds: list[list[dict[str, Any]]]) -> int:
        draw_panel({"inversion": seeds}, "accuracy", "", tmp_path / "a.png", None)
        # The blue of the line, 15 % over white.
        mixed = "#" + "".join(f"{round(255 - 0.15 * (255 - int(BLUE[i : i + 2], 16))):02x}" for i in (1, 3, 5))
        return len(coloured(tmp_path / "a.png", mixed))

    assert tinted([run(0.3), run(0.7)]) > 10_000 > tinted([run(0.5), run(0.5)])


def test_bars_are_as_high_as_delays_are_many(tmp_path: Path) -> None:
    draw_delays([2] * 6 + [4] * 3, tmp_path / "a.png")
    bars = coloured(tmp_path / "a.png", BLUE)
    columns = bars[:, 1]
    middle = (columns.min() + columns.max()) / 2
    heights = [np.ptp(bars[side][:, 0]) for side in (columns < middle, columns > middle)]
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.05)


def test_many_delays_share_bars(tmp_path: Path) -> None:
    draw_delays(list(range(1, 1001)), tmp_path / "a.png")
    row = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)[250]
    blue = np.abs(row - [0x00, 0x72, 0xB2]).max(axis=1) < 8
    assert 20 < (np.diff(blue.astype(int)) == 1).sum() <= 40


@pytest.mark.parametrize("spec", [DIGITS, InputSpec((7,), 2, ((-1.0,), (1.0,)), "signal", ("up", "down"))])
def test_kept_samples_are_drawn_a_row_for_each_client(spec: InputSpec, tmp_path: Path) -> None:
    def picture(clients: int) -> tuple[int, int]:
        samples = {c: (torch.full((8, *spec.shape), 0.5), torch.eye(spec.classes)[[0] * 8]) for c in range(clients)}
        draw_kept(samples, spec, tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as image:
            return image.size

    (width, one), (same, three) = picture(1), picture(3)
    assert width == same
    assert three > 2.5 * one
