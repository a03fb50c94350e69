from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import read_run_groups
from stalefl.report.conclusions.winners import contests
from stalefl.report.page.results import results_section
from tests.report.stored_runs import three_seeds


def test_the_comparison_stands_beside_the_metric_that_is_compared(tmp_path: Path) -> None:
    accuracies = {"unweighted": (0.5, 0.5, 0.5), "inversion": (0.75, 0.75, 0.75)}
    three_seeds(tmp_path, accuracies, {"inversion": 1})
    runs = read_run_groups([tmp_path])
    table = results_section(runs, contests(runs))
    assert table["keys"] == 1
    assert table["headers"][:4] == [
        *["method", "affected\nafter late", "against best baseline\n95 % interval", "verdict"]
    ]
    found = {row[0]: (best, row[1:4]) for best, row in table["rows"]}
    assert found == {
        "unweighted": (False, ["0.500 ± 0.000", "–", "best baseline"]),
        "inversion": (True, ["0.750 ± 0.000", "+0.250\n+0.250 to +0.250", "better"]),
    }
