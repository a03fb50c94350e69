from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import read_run_groups
from stalefl.report.conclusions.cells import comparison_cells, difference_text, significance_notes
from stalefl.report.conclusions.significance import Difference
from stalefl.report.conclusions.winners import contests
from tests.report.stored_runs import three_seeds


def test_each_method_is_compared_with_the_best_baseline(tmp_path: Path) -> None:
    figures = {"unstale": (0.9,) * 3, "weighted": (0.5, 0.52, 0.51), "inversion": (0.7, 0.73, 0.71), "w-pred": (0.6,)}
    figures["first-order"] = (0.4, 0.3)
    three_seeds(tmp_path, figures, {"inversion": 5, "w-pred": 5})
    [found] = contests(read_run_groups([tmp_path]))
    assert comparison_cells(found, "unstale") == ("–", "reference")
    assert comparison_cells(found, "weighted") == ("–", "best baseline")
    assert comparison_cells(found, "inversion") == ("+0.203\n+0.189 to +0.218", "better")
    assert comparison_cells(found, "w-pred") == ("+0.100", "too few seeds")
    assert comparison_cells(found, "first-order") == ("-0.160", "too few seeds")
    notes = "\n".join(significance_notes([found]))
    assert "paired t-test" in notes
    assert "Holm" in notes
    assert "too few seeds: fewer than 3" in notes
    assert "no shared seeds" not in notes


def test_a_difference_as_text() -> None:
    assert difference_text(None) == "–"
    assert difference_text(Difference(-0.25, 2)) == "-0.250"
    assert difference_text(Difference(0.25, 3, (-0.5, 1.0), 0.4)) == "+0.250\n-0.500 to +1.000"
