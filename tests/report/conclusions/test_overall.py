from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import read_run_groups
from stalefl.report.conclusions.overall import conclusions
from stalefl.report.conclusions.winners import contests
from tests.report.stored_runs import finished, three_seeds

FIGURES = {"unweighted": (0.50, 0.52, 0.51), "inversion": (0.70, 0.73, 0.71)}


def test_several_settings_have_a_row_each(tmp_path: Path) -> None:
    three_seeds(tmp_path / "1", FIGURES, {"inversion": 10}, staleness={"rounds": 5})
    reverse = {"unweighted": (0.6, 0.6, 0.6), "inversion": (0.5, 0.6, 0.4)}
    three_seeds(tmp_path / "2", reverse, {"inversion": 10}, staleness={"rounds": 10})
    found = conclusions(contests(read_run_groups([tmp_path])))
    assert found.keys == 1
    assert found.headers[:3] == ["staleness.rounds", "best method", "verdict"]
    assert [row[:3] for row in found.rows] == [["5", "inversion", "better"], ["10", "unweighted", "best baseline"]]
    # 2 rounds of 0.5 s, of which the second has a late update.
    assert found.rows[0][3:] == ["0.713", "+0.203\n+0.189 to +0.218", "unweighted", "0.510", "–", "1", "1"]
    assert found.sentences == [
        "inversion is highest in 1 of 2 settings; "
        "above the best baseline by more than seeds may differ by in 1 of them.",
        "unweighted is highest in 1 of 2 settings.",
        "Best: by accuracy on class 5 from the first late update on.",
    ]
    assert not found.margins


def test_where_nobody_late_is_no_better_there_is_nothing_to_rescue(tmp_path: Path) -> None:
    for delay, without_late in ((5, 0.515), (10, 0.6)):
        figures = {"unstale": (without_late,) * 3, "unweighted": (0.50, 0.52, 0.51)}
        three_seeds(tmp_path / str(delay), figures, {}, staleness={"rounds": delay})
    found = conclusions(contests(read_run_groups([tmp_path])))
    assert found.headers[7] == "with nobody\nlate"
    assert [row[7] for row in found.rows] == ["0.515", "0.600"]
    assert "In 1 of 2 settings there is nothing to rescue: the best baseline is as good as if nobody were late." in (
        found.sentences
    )


def test_where_several_keys_vary_each_is_summed_up(tmp_path: Path) -> None:
    for alpha in (0.1, 1.0):
        for delay in (5, 10):
            tables = {"partition": {"alpha": alpha}, "staleness": {"rounds": delay}}
            better = 0.7 if delay == 5 else 0.1
            for method, accuracy in (("inversion", better), ("weighted", 0.5)):
                finished(tmp_path / f"{alpha}-{delay}-{method}", method, 0, (0, accuracy), **tables)
    found = conclusions(contests(read_run_groups([tmp_path])))
    assert list(found.margins) == [
        ("partition.alpha = 0.1", "inversion 1, weighted 1"),
        ("partition.alpha = 1.0", "inversion 1, weighted 1"),
        ("staleness.rounds = 5", "inversion 2"),
        ("staleness.rounds = 10", "weighted 2"),
    ]
