from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stalefl.config.loading import experiment_to_toml, load_experiment
from stalefl.contracts import InputError
from stalefl.records.run_folder import RunFolder
from stalefl.records.run_groups import common_of, differing, read_run_groups
from stalefl.records.sweep_folder import SweepFolder


def stored(path: Path, method: str = "weighted", seed: int = 0, **tables: Mapping[str, Any]) -> Path:
    """A run folder of which nothing but the settings counts."""
    options = tables.pop("options", {})
    flags = {**tables, "method": {"name": method, "options": options}, "run": {"seed": seed, **tables.get("run", {})}}
    folder = RunFolder.create(path)
    folder.write_config(experiment_to_toml(load_experiment(flags=flags)))
    return path


def test_runs_of_the_same_settings_stand_together_by_method(tmp_path: Path) -> None:
    for number, alpha in enumerate((0.1, 1.0)):
        for seed in (0, 1):
            for method in ("unweighted", "weighted"):
                place = tmp_path / f"{number}" / method / f"seed-{seed}"
                stored(place, method, seed, partition={"alpha": alpha}, run={"jobs": seed})
    runs = read_run_groups([tmp_path])
    assert [group.label for group in runs.groups] == ["partition.alpha = 0.1", "partition.alpha = 1.0"]
    assert [{m: len(seeds) for m, seeds in group.methods.items()} for group in runs.groups] == [
        {"unweighted": 2, "weighted": 2}
    ] * 2
    assert runs.common["data.dataset"] == "digits"
    assert "partition.alpha" not in runs.common
    assert (len(runs.runs), runs.repeated) == (8, 0)
    assert [setting.values for setting in runs.settings()][1] == {"partition.alpha": 0.1, "method.name": "weighted"}


def test_a_method_with_other_options_has_another_name(tmp_path: Path) -> None:
    stored(tmp_path / "1", "weighted", options={"a": 1.0, "b": 5.0})
    stored(tmp_path / "2", "weighted", options={"a": 1.0, "b": 9.0})
    stored(tmp_path / "3", "unweighted")
    [group] = read_run_groups([tmp_path]).groups
    assert list(group.methods) == ["weighted b=5.0", "weighted b=9.0", "unweighted"]
    assert group.label == ""


def test_the_same_run_counts_once(tmp_path: Path) -> None:
    one, again, other = (stored(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    runs = read_run_groups([one, again, other, one])
    assert [run.folder.path for run in runs.runs] == [one, other]
    assert runs.repeated == 1


def test_what_only_measures_more_makes_no_other_setting(tmp_path: Path) -> None:
    shadows = {"beside": {"name": "first-order"}}
    stored(tmp_path / "1", "weighted", evaluation={"oracle": False})
    stored(tmp_path / "2", "unweighted", evaluation={"oracle": True, "shadows": shadows})
    stored(tmp_path / "3", "unweighted", evaluation={"every_rounds": 2})
    runs = read_run_groups([tmp_path])
    assert [group.label for group in runs.groups] == ["evaluation.every_rounds = 1", "evaluation.every_rounds = 2"]
    assert list(runs.groups[0].methods) == ["weighted", "unweighted"]
    assert differing([run.recording for run in runs.runs])["evaluation.oracle"] == [False, True]


def test_of_the_same_run_that_is_kept_of_which_more_is_known(tmp_path: Path) -> None:
    stored(tmp_path / "1", "weighted")
    stored(tmp_path / "2", "weighted", evaluation={"oracle": True})
    runs = read_run_groups([tmp_path])
    assert [run.folder.path.name for run in runs.runs] == ["2"]
    assert runs.repeated == 1


def test_where_there_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder at or below"):
        read_run_groups([tmp_path])


def test_what_documents_share_and_in_what_they_differ() -> None:
    documents = [{"a": 1, "b": [1], "c": 0}, {"a": 1, "b": [2]}, {"a": 1, "b": [1], "c": 0}]
    assert common_of(documents) == {"a": 1}
    assert differing(documents) == {"b": [[1], [2]], "c": [0, None]}


def test_settings_stand_in_the_order_of_their_values(tmp_path: Path) -> None:
    for number, delay in enumerate((40, 5, 10)):
        stored(tmp_path / str(number), staleness={"rounds": delay})
    assert [group.values["staleness.rounds"] for group in read_run_groups([tmp_path]).groups] == [5, 10, 40]


def test_runs_of_a_sweep_that_have_not_begun_are_counted(tmp_path: Path) -> None:
    config = experiment_to_toml(load_experiment())
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create({name: ({"staleness.rounds": 5}, config) for name in ("a", "b")}, [0, 1], force=False)
    stored(sweep.run_path("a", 1))
    assert read_run_groups([sweep.path]).unbegun == 3
    assert read_run_groups([sweep.run_path("a", 1)]).unbegun == 0
