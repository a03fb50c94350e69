"""A grid of runs: every cell with every seed, each in a folder of its own, and after every run the tables of all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stalefl.config.grid import Cell
from stalefl.config.loading import experiment_to_toml, load_experiment, single_run
from stalefl.contracts import DataContext, InputError
from stalefl.machine.processes import Stop
from stalefl.records.documents.common import SCHEMA
from stalefl.records.results_file import run_row, write_results
from stalefl.records.run_folder import RunFolder
from stalefl.records.run_groups import Setting
from stalefl.records.sweep_folder import SweepFolder
from stalefl.report.tables.pivots import pivots_markdown
from stalefl.report.tables.settings import Sheet, sheet, sheet_latex, sheet_markdown
from stalefl.run.setup import Run
from stalefl.run.tasks import RunOutcome, Task, run_and_report, run_tasks
from stalefl.storage import write_whole

OUT_OF_SPACE = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))


@dataclass(frozen=True)
class CellRun:
    """A run of the sweep: one seed of a cell."""

    cell: Cell
    seed: int
    folder: RunFolder

    @property
    def label(self) -> str:
        return f"{self.cell.label}, seed {self.seed}"

    def task(self, context: DataContext) -> Task:
        experiment = self.cell.experiment
        return Task(single_run(experiment, str(experiment.method.name), self.seed), self.folder.path, context, True)


@dataclass
class Sweep:
    """The runs of a sweep and what is known of them so far."""

    folder: SweepFolder
    cells: Sequence[Cell]
    context: DataContext
    first_run: Run | None = None
    """The run of the first cell and seed, where the check of the cells has built it."""
    outcomes: dict[int, RunOutcome] = field(default_factory=dict)
    """What became of the runs that have ended, by their index in ``runs``."""

    def __post_init__(self) -> None:
        # Seed by seed: the whole grid is seen once before any cell is repeated.
        self.runs = [
            CellRun(cell, seed, RunFolder(self.folder.run_path(cell.name, seed)))
            for seed in seeds(self.cells)
            for cell in self.cells
        ]
        self._rows: dict[int, dict[str, Any]] = {}

    @property
    def left(self) -> list[int]:
        """The indices of the runs that have no result yet."""
        return [i for i in range(len(self.runs)) if i not in self.outcomes or self.outcomes[i].result is None]

    @property
    def all_ended(self) -> bool:
        """Whether every run has finished or failed."""
        return len(self.outcomes) == len(self.runs)

    @property
    def failures(self) -> list[tuple[CellRun, RunOutcome]]:
        return [(self.runs[i], outcome) for i, outcome in sorted(self.outcomes.items()) if outcome.error]

    def take_tasks(self) -> list[Task]:
        """The tasks of the runs that are left. The sweep lets go of the run that has been built."""
        tasks = [self.runs[index].task(self.context) for index in self.left]
        if 0 in self.left:
            tasks[0].built = self.first_run
        self.first_run = None
        return tasks

    def end(self, index: int, outcome: RunOutcome) -> None:
        """Take in what became of a run, without writing anything."""
        run = self.runs[index]
        row: dict[str, Any] = {"cell": run.cell.name, **run.cell.values, "seed": run.seed}
        if outcome.result is not None:
            row |= run_row(outcome.result)
        self._rows[index] = {**row, "error": outcome.error or None}
        self.outcomes[index] = outcome

    def settings(self) -> list[Setting]:
        return [
            Setting(cell.values, self.results_of(cell), len(seeds(self.cells)), self._failed(cell))
            for cell in self.cells
        ]

    def results_of(self, cell: Cell) -> list[Mapping[str, Any]]:
        """Of the seeds that have finished."""
        found = [self.outcomes[i].result for i in self._runs_of(cell) if i in self.outcomes]
        return [result for result in found if result is not None]

    def sheet(self) -> Sheet:
        return sheet(self.settings())

    def rows(self) -> list[dict[str, Any]]:
        """One per run that has ended, cell by cell."""
        return [self._rows[i] for cell in self.cells for i in self._runs_of(cell) if i in self._rows]

    def write(self) -> None:
        """All tables, each written whole. Raises InputError if one cannot be written."""
        self.folder.write_failures(
            {str(run.folder.path): {"error": outcome.error, "trace": outcome.trace} for run, outcome in self.failures}
        )
        if rows := self.rows():
            write_results(self.folder.parquet, rows)
            content = self.sheet()
            parts = filter(None, [pivots_markdown(self.settings()), sheet_markdown(content)])
            write_whole(self.folder.markdown, "\n".join(parts).encode())
            write_whole(self.folder.latex, sheet_latex(content).encode())

    def document(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        cells = [{"name": cell.name, "values": dict(cell.values)} for cell in self.cells]
        return {"schema": SCHEMA, "folder": str(self.folder.path), "cells": cells, "runs": self.rows()}

    def _runs_of(self, cell: Cell) -> list[int]:
        return [i for i, run in enumerate(self.runs) if run.cell is cell]

    def _failed(self, cell: Cell) -> int:
        return sum(bool(self.outcomes[i].error) for i in self._runs_of(cell) if i in self.outcomes)


def seeds(cells: Sequence[Cell]) -> list[int]:
    """The seeds of every cell: no grid varies them."""
    return cells[0].experiment.run.all_seeds


# --- before the first run -------------------------------------------------------------------------------------------


def new_sweep(
    cells: Sequence[Cell], place: Path, context: DataContext, force: bool = False, first_run: Run | None = None
) -> Sweep:
    """A sweep in a new folder. Its cells must have been checked, which has built ``first_run``. Raises InputError if
    the folder is taken."""
    folder = SweepFolder(place)
    configs = {cell.name: (cell.values, experiment_to_toml(cell.experiment)) for cell in cells}
    folder.create(configs, seeds(cells), force)
    return Sweep(folder, cells, context, first_run)


def reopened_sweep(place: Path, context: DataContext, changes: Mapping[str, Mapping[str, Any]]) -> Sweep:
    """A sweep in an existing folder, with the results that are there. ``changes`` may name another device.

    Raises InputError for another kind of folder, or a damaged one.
    """
    folder = SweepFolder.open(place)
    cells = [
        Cell(cell["name"], cell["values"], load_experiment(folder.config(cell["name"]), (), changes))
        for cell in folder.read_index()["cells"]
    ]
    sweep = Sweep(folder, cells, context)
    for index, run in enumerate(sweep.runs):
        if (result := run.folder.read_result()) is not None:
            sweep.end(index, RunOutcome(result))
    return sweep


# --- the runs -------------------------------------------------------------------------------------------------------


OnRunRecord = Callable[[CellRun, Mapping[str, Any]], None]
"""Called with a run and the record of the round that it has finished."""
OnRunOutcome = Callable[[CellRun, RunOutcome], None]
"""Called with a run that has ended and what became of it."""


def run_sweep(sweep: Sweep, jobs: int, on_record: OnRunRecord, on_outcome: OnRunOutcome, stop: Stop) -> str:
    """Run what is left; after every run all tables are written. ``jobs`` 0 fills the machine.

    A run that fails is recorded and the others go on. Where there is no space left, or the tables cannot be written,
    the sweep ends and the reason is returned, else "".
    """
    left = sweep.left
    reasons: list[str] = []

    def on_event(number: int, event: Any) -> None:
        run = sweep.runs[left[number]]
        if not isinstance(event, RunOutcome):
            on_record(run, event)
            return
        sweep.end(left[number], event)
        on_outcome(run, event)
        if any(text in event.error for text in OUT_OF_SPACE):
            reasons.append("there is no space left for further runs")
        try:
            sweep.write()
        except InputError as error:
            reasons.append(str(error))
        if reasons:
            stop.set()

    if left:
        with sweep.folder.locked():
            run_tasks(run_and_report, sweep.take_tasks(), jobs, on_event, stop)
    return reasons[0] if reasons else ""
