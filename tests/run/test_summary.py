from __future__ import annotations

import json
from pathlib import Path

from stalefl.machine.processes import new_stop
from stalefl.run.comparison import new_tasks
from stalefl.run.summary import records_by_method, summarise
from stalefl.run.tasks import run_task, run_tasks
from tests.fixtures import digits_experiment
from tests.run.short_runs import CONTEXT


def test_several_runs_have_an_overview_and_two_pictures(tmp_path: Path) -> None:
    experiment = digits_experiment(("unweighted", "inversion"), run={"rounds": 3})
    tasks = new_tasks(experiment, tmp_path / "out", CONTEXT)
    results = run_tasks(run_task, tasks, 1, lambda index, record: None, new_stop())
    overview, pictures = summarise(tasks, results, tmp_path / "out")
    assert list(overview["methods"]) == ["unweighted", "inversion"]
    assert json.loads((tmp_path / "out/summary.json").read_text())["methods"].keys() == overview["methods"].keys()
    assert pictures == [tmp_path / "out/curves.png", tmp_path / "out/errors.png"]
    assert all(picture.stat().st_size > 0 for picture in pictures)
    records = records_by_method(tasks)
    assert [[len(run) for run in runs] for runs in records.values()] == [[3], [3]]


def test_a_single_run_has_no_overview_of_its_own_and_without_an_oracle_one_picture(tmp_path: Path) -> None:
    experiment = digits_experiment(run={"rounds": 3}, evaluation={"oracle": False})
    tasks = new_tasks(experiment, tmp_path / "out", CONTEXT)
    results = run_tasks(run_task, tasks, 1, lambda index, record: None, new_stop())
    _, pictures = summarise(tasks, results, tmp_path / "out")
    assert pictures == [tmp_path / "out/curves.png"]
    assert not (tmp_path / "out/summary.json").exists()
