from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import read_run_groups
from stalefl.report.page.run_settings import distinct_values, settings_section
from tests.report.stored_runs import finished


def test_settings_stand_where_they_differ_or_are_no_default(tmp_path: Path) -> None:
    for number, lr in enumerate((0.2, 0.3)):
        environment = {"device": "cpu", "started": f"2026-01-0{number + 1}"}
        finished(tmp_path / f"{number}", "weighted", 0, environment=environment, training={"lr": lr, "local_epochs": 3})
    lists = settings_section(read_run_groups([tmp_path]))
    assert lists["differing"] == [("training.lr", "0.2, 0.3")]
    assert ("training.local_epochs", "3") in lists["changed"]
    assert ("data.dataset", "digits") in lists["common"]
    assert ("data.dataset", "digits") not in lists["changed"]
    assert ("device", "cpu") in lists["environment"]
    assert ("started", "2026-01-01 to 2026-01-02") in lists["environment"]


def test_a_method_has_the_options_that_are_set(tmp_path: Path) -> None:
    finished(tmp_path / "a", "weighted", 0)
    assert settings_section(read_run_groups([tmp_path]))["options"] == []
    options = {"warm_iterations": 5, "labels": "hard"}
    finished(tmp_path / "b", "inversion", 0, options=options)
    lists = settings_section(read_run_groups([tmp_path]))
    assert lists["options"] == [("inversion", "warm_iterations = 5, labels = hard")]


def test_every_value_stands_once() -> None:
    assert distinct_values([1, 1.0, None, 1, True]) == "1, 1.0, –, true"
