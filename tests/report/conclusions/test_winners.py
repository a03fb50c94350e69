from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.records.run_groups import read_run_groups
from stalefl.report.conclusions.winners import contests
from tests.report.stored_runs import finished, three_seeds

FIGURES = {
    "unstale": (0.9, 0.9, 0.9),
    "unweighted": (0.50, 0.52, 0.51),
    "weighted": (0.30, 0.60, 0.20),
    "inversion": (0.70, 0.73, 0.71),
}


def test_the_best_the_best_baseline_and_who_is_told_apart_from_it(tmp_path: Path) -> None:
    three_seeds(tmp_path, FIGURES, {"inversion": 10})
    [found] = contests(read_run_groups([tmp_path]))
    assert list(found.ranked) == ["inversion", "unweighted", "weighted"]
    assert (found.best, found.baseline) == ("inversion", "unweighted")
    assert found.mean("unstale") == pytest.approx(0.9)
    assert found.metric == "accuracy on class 5 from the first late update on"
    assert found.verdicts == {"inversion": "better", "weighted": "not told apart"}
    assert found.differences["inversion"]
    assert found.differences["inversion"].mean == pytest.approx((0.20 + 0.21 + 0.20) / 3)


def test_what_inverts_in_one_setting_is_no_baseline_in_another(tmp_path: Path) -> None:
    for number, iterations in enumerate((10, 0)):
        finished(tmp_path / f"{number}", "inversion", 0, iterations=iterations, training={"lr": 0.1 + number})
        finished(tmp_path / f"{number}-weighted", "weighted", 0, (0.1, 0.1), training={"lr": 0.1 + number})
    assert [found.baseline for found in contests(read_run_groups([tmp_path]))] == ["weighted", "weighted"]


def test_all_comparisons_of_a_setting_are_counted(tmp_path: Path) -> None:
    """Alone p = 0.035 tells the two apart; among three comparisons it does not."""
    close = {"unweighted": (0.5, 0.5, 0.5), "inversion": (0.6, 0.7, 0.65)}
    three_seeds(tmp_path / "a", close, {"inversion": 1})
    [found] = contests(read_run_groups([tmp_path]))
    assert found.verdicts == {"inversion": "better"}
    others = {"weighted": (0.1, 0.3, 0.4), "first-order": (0.4, 0.5, 0.1)}
    three_seeds(tmp_path / "b", others, {})
    [found] = contests(read_run_groups([tmp_path]))
    assert found.verdicts["inversion"] == "perhaps better"


def test_without_late_updates_the_last_rounds_decide(tmp_path: Path) -> None:
    for method in ("weighted", "unweighted"):
        folder = finished(tmp_path / method, method, 0, delay=0)
        result = folder.read_result()
        assert result
        nothing = {"accuracy": None, "affected_class_accuracy": None}
        folder.write_result({**result, "first_late_round": None, "mean_after_first_late": nothing})
    [found] = contests(read_run_groups([tmp_path]))
    assert found.metric == "accuracy on class 5 over the last 10 evaluated rounds"


def test_nothing_finished_is_no_contest(tmp_path: Path) -> None:
    finished(tmp_path / "run", "weighted", 0).result.unlink()
    [found] = contests(read_run_groups([tmp_path]))
    assert (found.best, found.baseline, found.scores) == (None, None, {})
