"""The records in docs/records: how they come there, and what is read from them.

A run or comparison keeps all but weights and checkpoints, beside methods and seeds that were kept before. A sweep keeps
the results of its runs, one line each. An audit keeps its settings, figures and pictures.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docs.tools.markdown_page import DOCS
from stalefl.config.loading import load_experiment
from stalefl.config.naming import METHOD, value_text
from stalefl.contracts import DataContext
from stalefl.records.comparison_folder import ComparisonFolder, find_runs
from stalefl.records.ranking import Result
from stalefl.records.run_folder import CURVES, ERRORS, RunFolder
from stalefl.records.sweep_folder import SweepFolder
from stalefl.run.summary import summarise
from stalefl.run.tasks import Task

RECORDS = DOCS / "records"
SWEEP = "runs.jsonl"
KEPT = (
    "config.toml",
    "environment.json",
    "rounds.jsonl",
    "result.json",
    "comparison.json",
    "summary.json",
    CURVES,
    ERRORS,
)


@dataclass(frozen=True)
class SweepRun:
    """The result of a run of a sweep, the values of its cell's keys, and how many seeds the cell was to have."""

    values: Mapping[str, Any]
    seeds: int
    result: Result

    @property
    def place(self) -> str:
        """The run's cell and seed, as text."""
        return json.dumps([self.values, self.result["seed"]], sort_keys=True)


def is_sweep(name: str) -> bool:
    """Whether docs/records/NAME holds the runs of a sweep."""
    return (RECORDS / name / SWEEP).is_file()


def sweep_runs(name: str) -> list[SweepRun]:
    """The runs of the sweep kept as docs/records/NAME, in the order of their values other than methods and options."""
    return sorted(_kept_runs(name), key=_by_values)


def _by_values(run: SweepRun) -> list[tuple[float, str]]:
    apart = "method." if METHOD in run.values else METHOD
    values = [value for key, value in run.values.items() if not key.startswith(apart)]
    return [(value, "") if isinstance(value, (int, float)) else (0.0, value_text(value)) for value in values]


def _kept_runs(name: str) -> list[SweepRun]:
    """The runs of a sweep in the order in which they were kept; none if the sweep was not kept."""
    if not is_sweep(name):
        return []
    return [SweepRun(**json.loads(line)) for line in (RECORDS / name / SWEEP).read_text(encoding="utf-8").splitlines()]


def finished_runs(name: str) -> list[tuple[RunFolder, Result]]:
    """The runs kept one by one below docs/records/NAME."""
    return [(run, result) for run in find_runs(RECORDS / name) if (result := run.read_result())]


def keep(folder: Path, name: str) -> None:
    """Copy the records of ``folder``, a run, comparison, sweep or audit, to docs/records/NAME."""
    if (folder / "cases.safetensors").is_file():
        keep_audit(folder, name)
    elif (folder / SweepFolder.FILES[0]).is_file():
        keep_sweep(folder, name)
    else:
        keep_records(folder, name)


def keep_sweep(sweep: Path, name: str) -> None:
    """Write the results of all runs that have finished, beside those of other cells and seeds that were kept before,
    and settings and environment of the first of them."""
    folder, target = SweepFolder.open(sweep), RECORDS / name
    index = folder.read_index()
    places = [(cell, seed) for cell in index["cells"] for seed in index["seeds"]]
    runs = [(cell, RunFolder(folder.run_path(cell["name"], seed))) for cell, seed in places]
    done = [(cell, run, result) for cell, run in runs if (result := run.read_result())]
    found = [SweepRun(cell["values"], len(index["seeds"]), result) for cell, _, result in done]
    kept = {run.place: asdict(run) for run in [*_kept_runs(name), *found]}
    target.mkdir(parents=True, exist_ok=True)
    (target / SWEEP).write_text("".join(f"{json.dumps(line)}\n" for line in kept.values()), encoding="utf-8")
    for file in ("config.toml", "environment.json"):
        shutil.copyfile(done[0][1].path / file, target / file)


def keep_audit(audit: Path, name: str) -> None:
    """Copy what an audit found to docs/records/NAME: its settings, figures and pictures."""
    target = RECORDS / name
    target.mkdir(parents=True, exist_ok=True)
    for source in [audit / "config.toml", audit / "result.json", *audit.glob("recovered-*.png")]:
        shutil.copyfile(source, target / source.name)


def keep_records(runs: Path, name: str) -> None:
    """Copy what a run or comparison has recorded to docs/records/NAME, beside the methods and seeds that lie there."""
    several = ComparisonFolder.is_one(runs)
    for source in sorted(path for kept in KEPT for path in runs.rglob(kept)):
        target = RECORDS / name / source.relative_to(runs)
        if several and source.parent == runs and target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if several:
        summarise_records(name, ComparisonFolder(runs).read_index()["methods"])


def summarise_records(name: str, new_methods: Sequence[str]) -> None:
    """Write the comparison's overview and picture anew, from all of its runs."""
    folder = ComparisonFolder(RECORDS / name)
    methods = list(dict.fromkeys([*folder.read_index()["methods"], *new_methods]))
    seeds = {int(path.name.removeprefix("seed-")) for path in folder.path.glob("*/seed-*")}
    folder.write_index(methods, sorted(seeds))
    runs = find_runs(folder.path)
    tasks = [Task(load_experiment(run.config), run.path, DataContext(Path())) for run in runs]
    summarise(tasks, [run.read_result() or {} for run in runs], folder.path)
