"""The page of ``stalefl report`` as a browser shows it, on a screen and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stalefl.cli import main
from tests.report.browser import Browser, chromium
from tests.report.stored_runs import finished

GRID = """
[grid]
"staleness.shape" = [1.0, 4.0]
"method.name" = ["unstale", "unweighted", "inversion"]
[data]
dataset = "digits"
[partition]
clients = 10
samples_per_client = 10
[staleness]
schedule = "pareto"
least_rounds = 1
most_rounds = 3
redraw = "per-job"
late_clients = 1
[model]
name = "mlp"
options = { hidden = [12] }
[method.options.inversion]
iterations = 2
size = 8
[evaluation]
oracle = true
shadows.first = { name = "first-order" }
[run]
rounds = 6
seeds = 2
"""
# A figure is in view if it is what one sees in the middle of its box, and the box is on the screen.
FIGURES = """
return [...document.images].map(image => {
    image.scrollIntoView({block: 'center', inline: 'nearest'});
    const box = image.parentElement.getBoundingClientRect();
    const seen = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
    return {
        natural: [image.naturalWidth, image.naturalHeight],
        inView: seen === image && box.left >= 0 && box.right <= innerWidth && box.width > 100,
        alt: image.alt,
    };
})
"""
OVERFLOW = "return [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a sweep, and of a run whose updates were rejected."""
    place = tmp_path_factory.mktemp("runs")
    (place / "grid.toml").write_text(GRID)
    assert main(["sweep", str(place / "grid.toml"), "--out", str(place / "sweep"), "--jobs", "1", "-q"]) == 0
    rejections = {"rejected_updates": 1, "rejections": [{"client": 3, "cause": "arrived"}]}
    finished(place / ("a-long-name" * 15), "weighted", 0, changes=rejections)
    assert main(["report", str(place), "-q"]) == 0
    return place / "report.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_fetched_nothing_fails_and_all_figures_are_seen(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width)
    figures = browser.run(FIGURES)
    # Three settings with two curves each; for the two of the sweep delays, errors and D_rec; one partition.
    assert len(figures) == 3 * 2 + 2 * 3 + 1
    assert all(min(figure["natural"]) > 50 and figure["inView"] and figure["alt"] for figure in figures)
    page_width, body_width, screen = browser.run(OVERFLOW)
    assert max(page_width, body_width) <= screen == width
    assert browser.console() == []
    assert browser.requests() == [page.as_uri()]


@pytest.mark.parametrize(("scheme", "text"), [("light", "rgb(0, 0, 0)"), ("dark", "rgb(255, 255, 255)")])
def test_it_is_read_by_day_and_by_night(browser: Browser, page: Path, scheme: str, text: str) -> None:
    """Figures stay on white."""
    browser.open(page, 1280, scheme)
    assert browser.run("return getComputedStyle(document.body).color") == text
    assert browser.run("return getComputedStyle(document.images[0]).backgroundColor") == "rgb(255, 255, 255)"


def test_such_a_test_can_fail(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='gone.png'><div style='width: 2000px'>wide</div><script>console.error('no')</script>")
    browser.open(bad, 390)
    [figure] = browser.run(FIGURES)
    assert figure["natural"] == [0, 0]
    assert browser.run(OVERFLOW)[0] >= 2000
    assert any("no" in line for line in browser.console())
    assert (tmp_path / "gone.png").as_uri() in browser.requests()
