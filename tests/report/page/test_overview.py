from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import gather
from stalefl.report.page.overview import write_overview
from tests.report.stored_runs import finished

MEGABYTE = 1_000_000


def written(place: Path) -> str:
    write_overview(gather([place]), place / "page.html")
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


def test_rejected_updates_and_several_devices_are_told_of(tmp_path: Path) -> None:
    rejections = {"rejected_updates": 1, "rejections": [{"client": 3, "cause": "compensated"}]}
    finished(tmp_path / "a", "weighted", 0, changes=rejections)
    finished(tmp_path / "b", "unweighted", 0, environment={"device": "a GPU"})
    text = written(tmp_path)
    assert "Rejected: weighted: 2 updates of 1 client rejected (2: what the method made of it did)" in text
    assert "No update was rejected" not in text
    assert "made on several devices (cpu, a GPU): their seconds cannot be compared" in text


def test_of_many_unfinished_runs_some_are_named(tmp_path: Path) -> None:
    for seed in range(5):
        finished(tmp_path / f"{seed}", "weighted", seed).result.unlink()
    text = written(tmp_path)
    assert text.count("has not finished (2 of 2 rounds)") == 3
    assert "Nor have 2 more." in text


def test_what_else_was_measured_is_listed(tmp_path: Path) -> None:
    finished(tmp_path / "a", "weighted", 0)
    finished(tmp_path / "b", "unweighted", 0, evaluation={"oracle": True})
    text = written(tmp_path)
    assert '<td class="text">evaluation.oracle</td><td class="wide">false, true</td>' in text
    assert "1 setting, 2 methods" in text
