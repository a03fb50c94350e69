from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stalefl.contracts import InputError
from stalefl.run.checking import check_cells, check_singles, why_nobody_is_late
from stalefl.run.comparison import single_runs
from stalefl.run.setup import build_run
from tests.fixtures import digits_experiment
from tests.run.short_runs import CONTEXT
from tests.run.small_grid import SMALL, cells

LATE = '[grid]\n"staleness.rounds" = [0, 1, 7, 9]'


def test_a_method_that_does_not_exist_is_found() -> None:
    singles = single_runs(digits_experiment(("unweighted", "nothing")))
    with pytest.raises(InputError, match='unknown method "nothing"'):
        check_singles(singles, CONTEXT)


def test_the_run_of_the_first_experiment_is_kept_for_its_task() -> None:
    singles = single_runs(digits_experiment(("unweighted", "weighted"), run={"seeds": 2}))
    checked = check_singles(singles, CONTEXT)
    assert checked.first_run.experiment == singles[0]
    assert checked.doubts == []


def test_a_doubt_of_all_runs_is_told_once() -> None:
    singles = single_runs(digits_experiment(("unweighted", "weighted"), run={"rounds": 2, "seeds": 2}))
    assert check_singles(singles, CONTEXT).doubts == [
        "run.rounds = 2, but late updates arrive from round 3 on (staleness.rounds = 2): here nobody is late"
    ]


def test_an_invalid_cell_is_named(tmp_path: Path) -> None:
    grid = cells(tmp_path, SMALL + '[method]\nname = "inversion"\n[grid]\n"method.options.iterations" = [2, 0]')
    with pytest.raises(InputError, match=r'cell iterations=0: options of method "inversion": iterations = 0'):
        check_cells(grid, CONTEXT)


def test_cells_in_which_nobody_is_late_are_counted(tmp_path: Path) -> None:
    counts: list[int] = []
    # With a delay of 0 nobody is meant to be.
    assert check_cells(cells(tmp_path, SMALL + LATE), CONTEXT, counts.append).doubts == [
        "2 of 4 cells, as staleness.rounds=7: run.rounds = 3, but late updates arrive from round 8 on "
        "(staleness.rounds = 7): here nobody is late"
    ]
    assert counts == [1, 2, 3, 4]


def test_the_run_that_a_sweep_keeps_is_that_of_its_first_seed(tmp_path: Path) -> None:
    experiment = check_cells(cells(tmp_path), CONTEXT).first_run.experiment
    assert (experiment.method.name, experiment.run.seed, experiment.run.seeds) == ("unweighted", 0, 1)


@pytest.mark.parametrize(
    ("staleness", "why"),
    [
        ({"rounds": 5}, ""),
        ({"rounds": 0}, ""),
        ({"rounds": 9, "late_clients": 0}, ""),
        ({"rounds": 6}, "run.rounds = 6, but late updates arrive from round 7 on (staleness.rounds = 6)"),
        ({"dropout": 1.0}, 'staleness.schedule = "constant": no late update arrives in the 6 rounds of run.rounds'),
        (
            {"schedule": "uniform", "least_rounds": 8, "greatest_rounds": 9},
            'staleness.schedule = "uniform": no late update arrives in the 6 rounds of run.rounds',
        ),
    ],
)
def test_why_nobody_is_late(staleness: dict[str, Any], why: str) -> None:
    told = why_nobody_is_late(build_run(digits_experiment(staleness=staleness), CONTEXT))
    assert told.startswith(why)
    assert bool(told) == bool(why) == told.endswith("here nobody is late")
