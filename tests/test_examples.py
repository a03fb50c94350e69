"""The experiments in examples/ are valid, and run, made small, on the real data where it is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stalefl.cli import main
from stalefl.config.grid import load_grid
from stalefl.config.loading import load_experiment, method_names, read_toml
from stalefl.contracts import DataContext
from stalefl.records.comparison_folder import find_runs
from stalefl.registry import load_registry
from stalefl.run.checking import check_cells
from stalefl.run.comparison import single_runs
from stalefl.run.setup import build_run

FILES = sorted((Path(__file__).parents[1] / "examples").glob("*.toml"))
GRIDS = [path for path in FILES if "grid" in read_toml(path)]
EXAMPLES = [path for path in FILES if path not in GRIDS]
COMPARISONS = [path for path in EXAMPLES if len(method_names(load_experiment(path).method)) > 1]
ESTIMATES = [path for path in EXAMPLES if load_experiment(path).evaluation.shadows]
AUDITS = [path for path in EXAMPLES if "audit" in read_toml(path)]
SCALED = [path for path in FILES if "mnist-paper" in path.stem or "base" in read_toml(path)]
EMBEDDED_GRIDS = [path for path in GRIDS if load_grid(path)[0].experiment.data.dataset == "digits"]
EMBEDDED = [path for path in EXAMPLES if load_experiment(path).data.dataset == "digits"]
SMALL = [
    *["--seeds", "1", "--rounds", "3", "--jobs", "1", "--set", "staleness.rounds=2"],
    *["--set", "partition.clients=10", "--set", "partition.samples_per_client=8", "--set", "staleness.late_clients=1"],
    *["--set", "training.clients_per_round=1.0"],
    *["--set", "staleness.late=affected-class", "--set", "staleness.clients=[]"],
    *["--set", "staleness.schedule=constant", "--set", "staleness.trace=", "--set", "staleness.dropout=0.0"],
]
QUICK = ("iterations=2", "size=4")
NOT_AT_HAND = "allow fetching it with --download"


def test_every_example_is_a_comparison_or_looks_at_estimates_or_audits() -> None:
    assert sorted([*COMPARISONS, *ESTIMATES, *AUDITS]) == EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_names_and_options_exist(path: Path) -> None:
    experiment, registry = load_experiment(path), load_registry()
    registry.create("dataset", experiment.data.dataset, experiment.data.options)
    registry.create("model", experiment.model.name, experiment.model.options)
    for name in method_names(experiment.method):
        registry.load("method", name)
    for shadow in experiment.evaluation.shadows.values():
        registry.create("method", shadow.name, shadow.options)


@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_what_needs_no_download_can_be_built_and_late_updates_arrive(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parents[1])
    run = build_run(single_runs(load_experiment(path))[0], DataContext(Path("no-data-needed")))
    assert run.first_late_round is not None


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: path.stem)
def test_accuracies_are_compared_over_seeds(path: Path) -> None:
    assert load_experiment(path).run.seeds >= 3


@pytest.mark.realdata
@pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: path.stem)
def test_every_method_runs(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inverting = [name for name in method_names(load_experiment(path).method) if name.endswith("inversion")]
    quick = [f"--set=method.options.{name}.{option}" for name in inverting for option in QUICK]
    status = main(["simulate", str(path), *SMALL, *quick, "-q", "--out", str(tmp_path / "runs")])
    if NOT_AT_HAND in (errors := capsys.readouterr().err):
        pytest.skip(errors)
    assert status == 0
    methods = json.loads((tmp_path / "runs" / "summary.json").read_text())["methods"]
    assert set(methods) == set(method_names(load_experiment(path).method))
    assert all(figures["stale_updates"] == 1 for name, figures in methods.items() if name != "unstale")


@pytest.mark.realdata
@pytest.mark.parametrize("path", ESTIMATES, ids=lambda path: path.stem)
def test_every_shadow_estimates(path: Path, tmp_path: Path) -> None:
    shadows = load_experiment(path).evaluation.shadows
    inverting = [label for label, shadow in shadows.items() if shadow.name.endswith("inversion")]
    quick = [f"--set=evaluation.shadows.{label}.options.{option}" for label in inverting for option in QUICK]
    assert main(["simulate", str(path), *SMALL, *quick, "-q", "--out", str(tmp_path / "run")]) == 0
    last = json.loads((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()[-1])
    assert set(last["shadows"]) == set(shadows)
    assert all(shadow["estimate_error"]["l1"] > 0 for shadow in last["shadows"].values())


@pytest.mark.parametrize("path", EMBEDDED_GRIDS, ids=lambda path: path.stem)
def test_every_cell_of_a_grid_runs(path: Path, tmp_path: Path) -> None:
    of_one_method = read_toml(path).get("method", {}).get("name") == "inversion"
    iterations = f"method.options.{'' if of_one_method else 'inversion.'}iterations=2"
    small = ["run.seeds=1", "run.rounds=2", iterations, "partition.samples_per_client=8", "model.name=mlp"]
    if "partition.clients" not in read_toml(path)["grid"]:
        small.append("partition.clients=10")
    settings = [f"--set={setting}" for setting in small]
    assert main(["sweep", str(path), *settings, "-q", "--jobs", "1", "--out", str(tmp_path / "sweep")]) == 0
    assert len(find_runs(tmp_path / "sweep")) == len(load_grid(path))


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_grid_is_repeated_with_three_seeds(path: Path) -> None:
    assert load_grid(path)[0].experiment.run.seeds >= 3


@pytest.mark.realdata
@pytest.mark.parametrize("path", SCALED, ids=lambda path: path.stem)
def test_the_small_scale_can_be_built_and_late_updates_arrive(path: Path, real_data: Path) -> None:
    if path in GRIDS:
        doubts = check_cells(load_grid(path, scale="small"), DataContext(real_data)).doubts
        assert not [doubt for doubt in doubts if "nobody is late" in doubt]
    else:
        run = build_run(single_runs(load_experiment(path, scale="small"))[0], DataContext(real_data))
        assert run.first_late_round is not None
