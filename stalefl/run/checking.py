"""Experiments are checked before anything is written: a run of them is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stalefl.config.checks import doubts
from stalefl.config.grid import Cell
from stalefl.config.loading import single_run
from stalefl.config.schema import Experiment, MethodTable
from stalefl.contracts import DataContext, InputError
from stalefl.run.parts import load_methods, make_observers
from stalefl.run.setup import Run, build_run


@dataclass(frozen=True)
class Checked:
    """What the check of experiments that can run has found."""

    first_run: Run
    """The run of the first experiment, for the task that carries it out: it is not built again."""
    doubts: list[str]
    """What can be run, but is hardly meant."""


def check_singles(singles: Sequence[Experiment], context: DataContext) -> Checked:
    """Check the runs of one experiment. Raises InputError for whatever cannot work."""
    checker = Checker(context)
    absences = [checker.check(single) for single in singles]
    return checker.checked([*doubts(singles[0]), *filter(None, absences[:1])])


def check_cells(
    cells: Sequence[Cell], context: DataContext, on_checked: Callable[[int], None] = lambda count: None
) -> Checked:
    """Check every cell of a sweep. ``on_checked`` is called with the number of cells that have been checked.

    Raises InputError that names the cell and whatever cannot work in it.
    """
    checker, absences = Checker(context), dict[str, str]()
    for count, cell in enumerate(cells, start=1):
        experiment = cell.experiment
        try:
            absence = checker.check(single_run(experiment, str(experiment.method.name), experiment.run.seed))
        except InputError as error:
            raise InputError(f"cell {cell.label}: {error}") from error
        if absence:
            absences[cell.label] = absence
        on_checked(count)
    found = list(dict.fromkeys(doubt for cell in cells for doubt in doubts(cell.experiment)))
    if absences:
        label, absence = next(iter(absences.items()))
        found.append(f"{len(absences)} of {len(cells)} cells, as {label}: {absence}")
    return checker.checked(found)


class Checker:
    """Checks single runs one after another.

    Runs that differ by method and seed alone share data, partition and delays: the checker builds one of them. It keeps
    the very first run and no other, as a run holds its data.
    """

    def __init__(self, context: DataContext) -> None:
        self._context = context
        self._first_run: Run | None = None
        self._absences: dict[str, str] = {}

    def check(self, single: Experiment) -> str:
        """Why nobody is late in the run, "" where somebody is. Raises InputError for whatever cannot work."""
        make_observers(single)
        key = _apart_from_method_and_seed(single)
        if key in self._absences:
            load_methods(single)
        else:
            run = build_run(single, self._context)
            self._first_run = self._first_run or run
            self._absences[key] = why_nobody_is_late(run)
        return self._absences[key]

    def checked(self, doubts: list[str]) -> Checked:
        assert self._first_run
        return Checked(self._first_run, doubts)


def why_nobody_is_late(run: Run) -> str:
    """Why no late update arrives in a run in which some should; "" for every other run."""
    staleness, rounds = run.experiment.staleness, run.experiment.run.rounds
    constant = staleness.schedule == "constant"
    nobody_is_meant = constant and (staleness.rounds == 0 or not run.late_clients)
    if run.first_late_round is not None or nobody_is_meant:
        return ""
    if constant and rounds <= staleness.rounds:
        return (
            f"run.rounds = {rounds}, but late updates arrive from round {staleness.rounds + 1} on "
            f"(staleness.rounds = {staleness.rounds}): here nobody is late"
        )
    return (
        f'staleness.schedule = "{staleness.schedule}": no late update arrives in the {rounds} rounds of run.rounds; '
        "here nobody is late"
    )


def _apart_from_method_and_seed(experiment: Experiment) -> str:
    run = experiment.run.model_copy(update={"seed": 0})
    return experiment.model_copy(update={"method": MethodTable(), "run": run}).model_dump_json()
