from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stalefl.contracts import InputError
from stalefl.report.plots.partition import draw_partition_plot


def draw(path: Path, clients: int, classes: int = 10, late: tuple[int, ...] = (1,), affected: int = 5) -> np.ndarray:
    counts = np.random.default_rng(0).integers(0, 50, (clients, classes))
    draw_partition_plot(counts, late, [f"class {label}" for label in range(classes)], (affected,), path)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def share_of(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(pixels - colour).max(axis=2) < 8).mean())


@pytest.mark.parametrize(("clients", "classes"), [(1, 2), (10, 10), (200, 10), (30, 100)])
def test_few_and_many_clients_fit_a_page(tmp_path: Path, clients: int, classes: int) -> None:
    height, width, _ = draw(tmp_path / "p.png", clients, classes, late=(0,), affected=1).shape
    assert 1000 <= width <= 2500
    assert height <= 3500


def test_late_clients_are_shaded(tmp_path: Path) -> None:
    shade = (0xFB, 0xE3, 0xD6)
    none, some, more = (share_of(draw(tmp_path / "p.png", 20, late=late), shade) for late in ((), (3,), (3, 8, 9)))
    assert none < 0.001
    assert some > 0.02
    assert more > 2 * some


@pytest.mark.parametrize(
    ("clients", "late", "others"),
    [(8, (2,), {0, 1, 3, 4, 5, 6, 7}), (100, (4, 11, 12, 50), {0, 15, 20, 25, 45, 55, 95})],
)
def test_late_clients_are_named_in_a_colour_and_with_many_few_others_are(
    tmp_path: Path, clients: int, late: tuple[int, ...], others: set[int]
) -> None:
    counts = np.ones((clients, 2), dtype=int)
    draw_partition_plot(counts, late, ["a", "b"], (0,), tmp_path / "p.svg")
    # In SVG each text is a comment and the group that draws it; a colour other than black is written into its style.
    names = re.findall(r"<!-- (\d+) -->\s*<g( style=\"fill: #d55e00)?", (tmp_path / "p.svg").read_text())
    coloured = {int(name) for name, colour in names if colour}
    plain = {int(name) for name, colour in names if not colour}
    assert coloured == set(late)
    assert others <= plain
    if clients > 50:
        assert all(name % 5 == 0 and not {name - 1, name + 1} & coloured for name in plain)


def test_the_affected_class_has_a_colour_of_its_own(tmp_path: Path) -> None:
    counts = np.zeros((4, 3), dtype=int)
    counts[:, 0] = 10
    vermillion = (0xD5, 0x5E, 0x00)
    shares = []
    for affected in (0, 1):
        draw_partition_plot(counts, (), ["a", "b", "c"], (affected,), tmp_path / "p.png")
        with Image.open(tmp_path / "p.png") as picture:
            shares.append(share_of(np.asarray(picture.convert("RGB")).astype(int), vermillion))
    assert shares[0] > 5 * shares[1]


def test_the_affected_class_is_named_among_many(tmp_path: Path) -> None:
    draw_partition_plot(np.ones((5, 100), dtype=int), (), [f"c{n}" for n in range(100)], (7,), tmp_path / "p.svg")
    assert "<!-- c7 -->" in (tmp_path / "p.svg").read_text()


def test_the_same_partition_gives_the_same_picture(tmp_path: Path) -> None:
    assert (draw(tmp_path / "a.png", 12) == draw(tmp_path / "b.png", 12)).all()


@pytest.mark.parametrize("name", ["p.xyz", "nowhere/p.png"])
def test_a_picture_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot"):
        draw(tmp_path / name, 3)
