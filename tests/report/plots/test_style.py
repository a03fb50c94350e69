from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest
from PIL import Image

from stalefl.contracts import InputError
from stalefl.report.plots.style import LINES, columns_of, legend_below, lines_of, new_picture, shortened


def test_a_method_keeps_its_colour_whatever_it_is_compared_with() -> None:
    assert lines_of(["weighted", "inversion"])["inversion"] == lines_of(["inversion"])["inversion"]
    assert lines_of(["mine", "unstale"])["mine"] == lines_of(["inversion", "mine"])["mine"]


def test_no_two_methods_share_a_line() -> None:
    lines = lines_of([*LINES, *(f"plugin-{i}" for i in range(12))])
    assert len(set(lines.values())) == len(lines) == len(LINES) + 12


def test_a_new_picture_is_written_at_the_end_and_leaves_matplotlibs_settings_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    with new_picture(tmp_path / "p.png", (2.0, 1.0), grid=False) as figure:
        assert matplotlib.rcParams["axes.grid"] is False
        assert not (tmp_path / "p.png").exists()
    assert dict(matplotlib.rcParams) == before
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size == (400, 200)
    assert figure.get_size_inches().tolist() == [2.0, 1.0]


def test_a_legend_names_every_line_below_all_panels(tmp_path: Path) -> None:
    with new_picture(tmp_path / "p.png", (3.0, 2.0)) as figure:
        axes = figure.subplots()
        lines = [axes.plot([0, 1], [0, height], label=f"line {height}")[0] for height in (1, 2)]
        legend_below(figure, lines, 2)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["line 1", "line 2"]
    assert legend.get_window_extent().y1 <= axes.get_window_extent().y0


def test_a_failed_picture_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown ending"), new_picture(tmp_path / "p.xyz"):
        pass
    with pytest.raises(ZeroDivisionError), new_picture(tmp_path / "p.png"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("letters", "columns"), [(3, 4), (20, 1), (200, 1)])
def test_a_legend_has_the_columns_that_fit(letters: int, columns: int) -> None:
    assert columns_of(["a" * letters] * 4, 4.0) == columns


def test_long_names_are_cut() -> None:
    assert [shortened(name, 4) for name in ("four", "fives")] == ["four", "fiv…"]
