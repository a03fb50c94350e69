from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import read_run_groups
from stalefl.report.page.overview import write_overview
from tests.report.stored_runs import finished

MEGABYTE = 1_000_000


def written(place: Path) -> str:
    write_overview(read_run_groups([place]), place / "page.html")
    return (place / "page.html").read_text()


def test_a_page_of_a_hundred_runs_is_small(tmp_path: Path) -> None:
    """Ten settings of two methods and five seeds."""
    for number in range(10):
        for method, level in (("weighted", 0.3), ("inversion", 0.6)):
            for seed in range(5):
                accuracies = [level + 0.02 * ((seed * t) % 7) for t in range(60)]
                path = tmp_path / f"{number}" / method / f"{seed}"
                finished(path, method, seed, accuracies, 1 + seed, training={"lr": 0.1 + number / 100})
    text = written(tmp_path)
    assert len(text) < 2 * MEGABYTE
    assert text.count("<img ") == 30
    assert '<details class="setting"><summary>' in text
    assert "weighted is best in" not in text


def test_rejected_updates_are_told_of(tmp_path: Path) -> None:
    rejections = {"rejected_updates": 1, "rejections": [{"client": 3, "cause": "compensated"}]}
    finished(tmp_path / "a", "weighted", 0)
    assert "No update was rejected in any run." in written(tmp_path)
    finished(tmp_path / "b", "unweighted", 0, changes=rejections)
    text = written(tmp_path)
    assert "Rejected: unweighted: 2 updates of 1 client rejected (2: what the method made of it did)" in text
    assert "No update was rejected" not in text


def test_what_else_was_measured_is_listed(tmp_path: Path) -> None:
    finished(tmp_path / "a", "weighted", 0)
    finished(tmp_path / "b", "unweighted", 0, evaluation={"oracle": True})
    text = written(tmp_path)
    assert '<td class="text">evaluation.oracle</td><td class="wide">false, true</td>' in text
    assert "1 setting, 2 methods" in text
