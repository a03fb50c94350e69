from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import read_run_groups
from stalefl.report.conclusions.one_setting import setting_in_words
from stalefl.report.conclusions.winners import contests
from tests.report.stored_runs import finished, three_seeds


def words(place: Path) -> list[str]:
    [found] = contests(read_run_groups([place]))
    return list(setting_in_words(found))


def test_best_margin_chance_and_cost(tmp_path: Path) -> None:
    figures = {
        "unstale": (0.9, 0.9, 0.9),
        "unweighted": (0.50, 0.52, 0.51),
        "inversion": (0.70, 0.73, 0.71),
        "anchored-inversion": (0.70, 0.72, 0.71),
    }
    three_seeds(tmp_path, figures, {"inversion": 10, "anchored-inversion": 10})
    assert words(tmp_path) == [
        "inversion has the highest accuracy on class 5 from the first late update on: 0.713 (mean of 3 seeds).",
        "The best baseline, unweighted, has 0.510: 0.203 less (95 % interval 0.189 to 0.218), more than seeds may "
        "differ by.",
        "The next best method, anchored-inversion, has 0.710: 0.003 less (95 % interval -0.011 to 0.018), no more than "
        "seeds may differ by: the two are not told apart.",
        "Server time: inversion 1 s a late update (in all 25 % of the clients' training); "
        "unweighted 1 s a late update (in all 25 % of the clients' training).",
        "With nobody late (unstale) it would be 0.900 (mean of 3 seeds).",
    ]


def test_one_seed_cannot_say(tmp_path: Path) -> None:
    finished(tmp_path / "a", "weighted", 0, (0.1, 0.4))
    finished(tmp_path / "b", "inversion", 0, (0.1, 0.6), iterations=1)
    assert words(tmp_path)[1] == (
        "The best baseline, weighted, has 0.400: 0.200 less, and 1 seed cannot say whether that is chance "
        "(3 or more can)."
    )


def test_a_baseline_that_is_best_is_compared_with_the_next(tmp_path: Path) -> None:
    three_seeds(tmp_path, {"weighted": (0.7, 0.71, 0.72), "inversion": (0.5, 0.52, 0.52)}, {"inversion": 1})
    assert words(tmp_path)[1].startswith("The next best method, inversion, has 0.513: 0.197 less (95 % interval 0.182")
    assert words(tmp_path)[1].endswith("more than seeds may differ by.")


def test_other_and_fewer_seeds_are_told_of(tmp_path: Path) -> None:
    for seed in (0, 1):
        finished(tmp_path / f"a{seed}", "inversion", seed, (0.1, 0.6), iterations=1)
    finished(tmp_path / "b", "weighted", 7, (0.1, 0.4))
    found = words(tmp_path)
    assert "The best baseline, weighted, has 0.400, but with other seeds: they are not compared." in found
    assert "Means compare less well where there are fewer than 2 seeds: weighted 1." in found


def test_alone_or_unfinished(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", "weighted", 0)
    assert "No other method ran that it could be compared with." in words(tmp_path)
    folder.result.unlink()
    assert words(tmp_path) == ["No run of a method that competes has finished: there is no answer yet."]
