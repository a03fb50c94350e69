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
from stalefl.config.schema import Experiment, MethodTable
from stalefl.contracts import DataContext, InputError
from stalefl.machine.processes import Stop, fitting_jobs, run_all
from stalefl.records.documents.common import SCHEMA
from stalefl.records.results_file import run_row, write_results
from stalefl.records.run_folder import RunFolder
from stalefl.records.run_groups import Setting
from stalefl.records.sweep_folder import SweepFolder
from stalefl.report.tables.pivots import pivots_markdown
from stalefl.report.tables.settings import Sheet, sheet, sheet_latex, sheet_markdown
from stalefl.run.parts import load_methods, make_observers
from stalefl.run.setup import build_run
from stalefl.run.tasks import Ended, Task, run_and_tell
from stalefl.storage import write_whole

OUT_OF_SPACE = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))


@dataclass(frozen=True)
class Place:
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
    ended: dict[int, Ended] = field(default_factory=dict)
    """By place."""

    def __post_init__(self) -> None:
        # Seed by seed: the whole grid is seen once before any cell is repeated.
        self.places = [
            Place(cell, seed, RunFolder(self.folder.run_path(cell.name, seed)))
            for seed in seeds(self.cells)
            for cell in self.cells
        ]
        self._rows: dict[int, dict[str, Any]] = {}

    @property
    def left(self) -> list[int]:
        """The places whose runs have no result yet."""
        return [i for i in range(len(self.places)) if i not in self.ended or self.ended[i].result is None]

    @property
    def unended(self) -> bool:
        """Whether there are runs that have neither finished nor failed."""
        return len(self.ended) < len(self.places)

    @property
    def failures(self) -> list[tuple[Place, Ended]]:
        return [(self.places[i], ended) for i, ended in sorted(self.ended.items()) if ended.error]

    def end(self, index: int, ended: Ended) -> None:
        """Take in what became of a run, without writing anything."""
        place = self.places[index]
        row: dict[str, Any] = {"cell": place.cell.name, **place.cell.values, "seed": place.seed}
        if ended.result is not None:
            row |= run_row(ended.result)
        self._rows[index] = {**row, "error": ended.error or None}
        self.ended[index] = ended

    def settings(self) -> list[Setting]:
        return [
            Setting(cell.values, self.results_of(cell), len(seeds(self.cells)), self._failed(cell))
            for cell in self.cells
        ]

    def results_of(self, cell: Cell) -> list[Mapping[str, Any]]:
        """Of the seeds that have finished."""
        found = [self.ended[i].result for i in self._places_of(cell) if i in self.ended]
        return [result for result in found if result is not None]

    def sheet(self) -> Sheet:
        return sheet(self.settings())

    def rows(self) -> list[dict[str, Any]]:
        """One per run that has ended, cell by cell."""
        return [self._rows[i] for cell in self.cells for i in self._places_of(cell) if i in self._rows]

    def write(self) -> None:
        """All tables, each written whole. Raises InputError if one cannot be written."""
        self.folder.write_failures(
            {str(place.folder.path): {"error": ended.error, "trace": ended.trace} for place, ended in self.failures}
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

    def _places_of(self, cell: Cell) -> list[int]:
        return [i for i, place in enumerate(self.places) if place.cell is cell]

    def _failed(self, cell: Cell) -> int:
        return sum(bool(self.ended[i].error) for i in self._places_of(cell) if i in self.ended)


def seeds(cells: Sequence[Cell]) -> list[int]:
    run = cells[0].experiment.run
    return list(range(run.seed, run.seed + run.seeds))


# --- before the first run -------------------------------------------------------------------------------------------


def check(cells: Sequence[Cell], context: DataContext, tell: Callable[[int], None] = lambda done: None) -> list[Cell]:
    """Build a run of every cell, of cells that differ by their method only one; nothing is written. ``tell`` is called
    with how many are done. Raises InputError naming the cell; gives the cells in which no late update arrives."""
    built: dict[str, bool] = {}
    for done, cell in enumerate(cells, start=1):
        try:
            _check(cell.experiment, context, built)
        except InputError as error:
            raise InputError(f"cell {cell.label}: {error}") from error
        tell(done)
    return [cell for cell in cells if not built[_apart_from_method(cell.experiment)]]


def _check(experiment: Experiment, context: DataContext, built: dict[str, bool]) -> None:
    make_observers(experiment)
    key = _apart_from_method(experiment)
    if key in built:
        load_methods(experiment)
    else:
        staleness = experiment.staleness
        nobody_meant = staleness.schedule == "constant" and staleness.rounds == 0
        built[key] = build_run(experiment, context).first_late_round is not None or nobody_meant


def _apart_from_method(experiment: Experiment) -> str:
    return experiment.model_copy(update={"method": MethodTable()}).model_dump_json()


def new_sweep(cells: Sequence[Cell], place: Path, context: DataContext, force: bool = False) -> Sweep:
    """A sweep in a new folder. Its cells must have been checked. Raises InputError if the folder is taken."""
    folder = SweepFolder(place)
    configs = {cell.name: (cell.values, experiment_to_toml(cell.experiment)) for cell in cells}
    folder.create(configs, seeds(cells), force)
    return Sweep(folder, cells, context)


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
    for index, run in enumerate(sweep.places):
        if (result := run.folder.read_result()) is not None:
            sweep.end(index, Ended(result))
    return sweep


# --- the runs -------------------------------------------------------------------------------------------------------


OnRound = Callable[[Place, Mapping[str, Any]], None]
"""Called with a run and the record of the round that it has finished."""
OnEnd = Callable[[Place, Ended], None]


def run_sweep(sweep: Sweep, jobs: int, on_round: OnRound, on_end: OnEnd, stop: Stop) -> str:
    """Run what is left; after every run all tables are written. ``jobs`` 0 fills the machine's cores.

    A run that fails is recorded and the others go on. Where there is no space left, or the tables cannot be written,
    the sweep ends and the reason is returned, else "".
    """
    left = sweep.left
    reasons: list[str] = []

    def on_event(number: int, event: Any) -> None:
        index = left[number]
        if not isinstance(event, Ended):
            on_round(sweep.places[index], event)
            return
        sweep.end(index, event)
        on_end(sweep.places[index], event)
        if any(text in event.error for text in OUT_OF_SPACE):
            reasons.append("there is no space left for further runs")
        try:
            sweep.write()
        except InputError as error:
            reasons.append(str(error))
        if reasons:
            stop.set()

    if left:
        run = sweep.cells[0].experiment.run
        tasks = [sweep.places[index].task(sweep.context) for index in left]
        with sweep.folder.locked():
            run_all(run_and_tell, tasks, jobs or fitting_jobs(run.device, run.threads, len(tasks)), on_event, stop)
    return reasons[0] if reasons else ""
