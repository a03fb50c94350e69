from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stalefl.records.estimates import AS_THEY_ARE, estimating
from stalefl.report.plots.errors import _panel, _styles, draw_errors
from stalefl.report.plots.style import BLACK, LINES

Records = list[dict[str, Any]]


def run(stale: float, estimate: float, rounds: int = 30, shadow: float | None = None) -> Records:
    """Late updates from round 11 on."""

    def record(round: int) -> dict[str, Any]:
        late = round > 10
        shadows = (
            {} if shadow is None else {"other": {"estimate_error": error(shadow), "iterations": 1, "seconds": 0.1}}
        )
        return {
            "round": round,
            "late_updates": [{}] * late,
            "stale_error": error(stale) if late else None,
            "estimate_error": error(estimate) if late else None,
            "inversion_iterations": 0,
            **({"shadows": shadows} if shadows and late else {}),
        }

    return [record(round) for round in range(1, rounds + 1)]


def error(l1: float) -> dict[str, float]:
    return {"l1": l1, "cosine": 0.0}


def rows_coloured(path: Path, colour: str, least: int) -> np.ndarray[Any, Any]:
    """The pixel rows in which ``colour`` occurs so many times, as a horizontal line does."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return np.flatnonzero((np.abs(pixels - rgb).max(axis=2) < 8).sum(axis=1) > least)


def test_what_only_takes_late_updates_as_they_are_has_nothing_to_show() -> None:
    blind = [{**record, "stale_error": None, "estimate_error": None} for record in run(0.8, 0.8)]
    runs = {
        "unweighted": [run(0.8, 0.8)],
        "shadowed": [run(0.8, 0.8, shadow=0.3)],
        "inversion": [run(0.8, 0.2), blind],
        "without-oracle": [blind],
        "unstale": [[]],
    }
    found = estimating(runs)
    assert list(found) == ["shadowed", "inversion"]
    assert len(found["inversion"]) == 1


def test_smaller_errors_are_drawn_lower(tmp_path: Path) -> None:
    path = tmp_path / "errors.png"
    draw_errors({"inversion": [run(0.8, 0.2), run(0.9, 0.3)]}, path)
    late, estimates = rows_coloured(path, BLACK, 250), rows_coloured(path, LINES["inversion"][0], 150)
    assert 0 < len(estimates) < 12
    assert len(late) > 0
    assert late.min() < estimates.min()


def test_points_are_at_the_rounds_of_the_late_updates_behind_them() -> None:
    panel = _panel("inversion", [run(0.8, 0.2, rounds=50), run(0.8, 0.4, rounds=50)])
    assert panel.rounds_each == 2
    points = panel.lines["inversion"]
    assert [points[0].round, points[-1].round] == [11.5, 49.5]
    assert list(points[0].errors) == [0.2, 0.4]
    sparse = [{**r, "stale_error": None} if r["round"] in (11, 13) else r for r in run(0.8, 0.2, rounds=50)]
    assert _panel("inversion", [sparse]).lines["inversion"][0].round == 12


def test_who_takes_late_updates_as_they_are_has_no_line() -> None:
    assert list(_panel("unweighted", [run(0.8, 0.8, shadow=0.3)]).lines) == [AS_THEY_ARE, "other"]


def test_lines_of_one_picture_differ_in_colour() -> None:
    styles = _styles([AS_THEY_ARE, "inversion", "unweighted", "a", "b", "c"])
    assert len({colour for colour, _ in styles.values()}) == 6
    assert styles["inversion"] == LINES["inversion"]
    assert len(set(_styles([str(number) for number in range(15)]).values())) == 16


def test_every_estimating_method_has_a_panel(tmp_path: Path) -> None:
    one, three = tmp_path / "one.png", tmp_path / "three.png"
    draw_errors({"inversion": [run(0.8, 0.2)], "unweighted": [run(0.8, 0.8)]}, one)
    draw_errors({name: [run(0.8, 0.2, shadow=0.4)] for name in ("inversion", "first-order", "mine")}, three)
    with Image.open(one) as narrow, Image.open(three) as wide:
        assert wide.width > 1.8 * narrow.width
        assert wide.height > 1.5 * narrow.height
