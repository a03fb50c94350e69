from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stalefl.contracts import InputError, InputSpec
from stalefl.report.plots.audit import MOST_ROWS, draw_audit

SPEC = InputSpec((1, 4, 4), 3, ((-1.0,), (3.0,)))


def drawn(path: Path, columns: dict[str, Any], notes: dict[str, Any] | None = None, title: str = "") -> Any:
    draw_audit(columns, notes or {}, SPEC, path, title)
    return np.asarray(Image.open(path).convert("L")).astype(int)


def share(pixels: Any, grey: int) -> float:
    return float((np.abs(pixels - grey) < 4).mean())


def plain(value: float) -> torch.Tensor:
    return torch.full((1, 4, 4), value)


def test_a_row_per_sample_and_a_column_per_heading(tmp_path: Path) -> None:
    """Of four places one has the least value (black), two the middle (grey) and one is empty (white)."""
    pixels = drawn(tmp_path / "a.png", {"true": [plain(-1), plain(1)], "none": [plain(1), None]})
    black, grey = share(pixels, 0), share(pixels, 128)
    assert black > 0.05
    assert grey == pytest.approx(2 * black, rel=0.1)
    height, width = pixels.shape
    left, right = pixels[:, : width // 2], pixels[:, width // 2 :]
    assert share(left, 0) > 0.1 > 0.02 > share(right, 0)
    assert share(right[2 * height // 3 :], 128) < 0.02 < 0.1 < share(left[2 * height // 3 :], 128)


def test_values_outside_the_range_end_on_its_border(tmp_path: Path) -> None:
    pixels = drawn(tmp_path / "a.png", {"none": [plain(-9)]})
    assert share(pixels, 0) == pytest.approx(share(drawn(tmp_path / "b.png", {"none": [plain(-1)]}), 0))


def test_at_most_so_many_rows(tmp_path: Path) -> None:
    most, more = (drawn(tmp_path / f"{n}.png", {"none": [plain(0)] * n}) for n in (MOST_ROWS, MOST_ROWS + 5))
    assert most.shape == more.shape
    assert most.shape[0] > drawn(tmp_path / "one.png", {"none": [plain(0)]}).shape[0]


def test_notes_title_and_long_headings_have_room(tmp_path: Path) -> None:
    bare = drawn(tmp_path / "a.png", {"none": [plain(3)]})
    told = drawn(tmp_path / "b.png", {"none": [plain(3)]}, {"none": ["12.3 dB"]}, "a title")
    steps = drawn(tmp_path / "c.png", {"clip=1, gaussian=0.5, sparsify=0.9": [plain(3)]})
    assert (told < 128).sum() > (bare < 128).sum()
    assert steps.shape[0] > bare.shape[0]


def test_signals_are_curves(tmp_path: Path) -> None:
    spec = InputSpec((2, 6), 3, ((-1.0, -1.0), (1.0, 1.0)), space="signal")
    draw_audit({"true": [torch.rand(2, 6)], "none": [None]}, {}, spec, tmp_path / "s.png")
    assert np.asarray(Image.open(tmp_path / "s.png").convert("L")).std() > 5


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        draw_audit({"none": [plain(0)]}, {}, SPEC, tmp_path / "no" / "folder" / "a.png")
