from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stalefl.contracts import InputError
from stalefl.report.plots.curves import accuracy_label, draw_confusion, draw_curves
from stalefl.report.plots.style import LINES

Records = list[dict[str, Any]]


def run(level: float, rounds: int = 12, every: int = 1) -> Records:
    values = [level if t % every == 0 else None for t in range(1, rounds + 1)]
    return [{"round": t, "accuracy": v, "affected_class_accuracy": v} for t, v in enumerate(values, start=1)]


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path).convert("RGB"))


def rows_coloured(path: Path, colour: str) -> np.ndarray[Any, Any]:
    """The pixel rows in which ``colour`` occurs many times, as a horizontal line does."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.flatnonzero((np.abs(pixels(path).astype(int) - rgb).max(axis=2) < 8).sum(axis=1) > 300)


def test_better_methods_are_drawn_higher_in_their_own_colour(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    draw_curves({"weighted": [run(0.2), run(0.3)], "inversion": [run(0.8), run(0.9)]}, path, first_late_round=5)
    low, high = rows_coloured(path, LINES["weighted"][0]), rows_coloured(path, LINES["inversion"][0])
    assert 0 < len(high) < 10
    assert 0 < len(low) < 10
    assert high.max() < low.min()


def test_the_label_says_over_how_many_seeds() -> None:
    assert accuracy_label({"a": [[]], "b": [[]]}, 1) == "Accuracy"
    assert accuracy_label({"a": [[], []], "b": [[], []]}, 1) == "Accuracy\nmean ± s.d. of 2 seeds"
    assert accuracy_label({"a": [[], [], []], "b": [[]]}, 5) == (
        "Accuracy\nmean ± s.d. of up to 3 seeds\ntrailing mean of 5 rounds"
    )


@pytest.mark.parametrize("rounds", [0, 1, 4, 150])
def test_short_long_and_partly_evaluated_runs_are_drawn(tmp_path: Path, rounds: int) -> None:
    runs = {"weighted": [run(0.5, rounds)], "mine": [run(0.7, rounds, every=3), run(0.6, rounds // 2)]}
    draw_curves(runs, tmp_path / "c.png", "a title", staleness_rounds=3)
    assert pixels(tmp_path / "c.png").std() > 1


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_formats(tmp_path: Path, ending: str) -> None:
    draw_confusion(torch.tensor([[3, 1], [0, 0]]), tmp_path / f"c.{ending}", ["cat", "dog"])
    assert [p.name for p in tmp_path.iterdir()] == [f"c.{ending}"]


def test_confusion_is_dark_on_the_diagonal_of_a_good_model(tmp_path: Path) -> None:
    draw_confusion(torch.eye(2, dtype=torch.int64) * 9, tmp_path / "c.png")
    image = pixels(tmp_path / "c.png").mean(axis=2)
    height, width = image.shape
    inner = image[int(height * 0.15) : int(height * 0.8), int(width * 0.2) : int(width * 0.9)]
    top, left = inner.shape[0] // 3, inner.shape[1] // 3
    assert inner[:top, :left].mean() + 50 < inner[:top, -left:].mean()


def test_unknown_endings_and_unwritable_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown ending '.xyz'; valid: .png, .pdf, .svg"):
        draw_curves({"weighted": [run(0.5)]}, tmp_path / "c.xyz")
    with pytest.raises(InputError, match="cannot write"):
        draw_confusion(torch.eye(2, dtype=torch.int64), tmp_path / "missing" / "c.png")
