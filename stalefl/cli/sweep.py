"""``stalefl sweep``: a grid of runs that can be stopped and resumed, and one table of all results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stalefl.cli import options as opt
from stalefl.cli.common import given_only
from stalefl.cli.interruption import INTERRUPTED, stop_on_interrupt
from stalefl.cli.watch import Watch
from stalefl.config.explain import one_line

if TYPE_CHECKING:
    from stalefl.config.grid import Cell
    from stalefl.contracts import DataContext
    from stalefl.run.setup import Run
    from stalefl.run.sweep import CellRun, OnRunOutcome, OnRunRecord, Sweep
    from stalefl.run.tasks import RunOutcome

RUNS_FAILED = 1


def sweep_command(
    grid: Annotated[
        Path | None, typer.Argument(help="Experiment file (TOML) with a table [grid].", show_default=False)
    ] = None,
    scale: opt.ScaleOption = None,
    settings: opt.SettingsOption = None,
    out: Annotated[Path | None, opt.new_folder("Folder for the runs and tables.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on where the sweep in this folder stopped; runs that failed are tried again.",
            rich_help_panel=opt.OUTPUT,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check and list the cells; write nothing.", rich_help_panel=opt.EXPERIMENT),
    ] = False,
    force: opt.ForceOption = False,
    jobs: opt.JobsOption = None,
    device: opt.DeviceOption = None,
    data_dir: opt.DataDirOption = None,
    download: opt.DownloadOption = False,
    json_output: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Run every cell of a grid with every seed, and put all results into one table.

    [grid] of the file names keys and the values they take, as "staleness.rounds" = [10, 40]; their product is run. All
    cells are checked before the first run starts. A run that fails is recorded, and the others go on.

    Example: stalefl sweep examples/sweep-digits.toml --out runs/sweep
    """
    from stalefl.cli.common import set_up_logging
    from stalefl.contracts import InputError
    from stalefl.data.place import data_context

    set_up_logging(quiet, verbose)
    context = data_context(data_dir, download)
    flags = given_only({"run": {"device": device, "jobs": jobs}})
    if resume is not None:
        if force or dry_run or any(value is not None for value in (grid, scale, settings, out)):
            raise InputError("--resume takes the grid from the folder; valid beside it: --jobs, --device")
        sweep = _reopened(resume, context, flags, quiet)
    else:
        if grid is None:
            raise InputError("no grid; valid: a file with a table [grid], or --resume DIR")
        from stalefl.config.grid import load_grid

        cells = load_grid(grid, settings or [], flags, scale or "")
        place = out or Path("runs") / f"{grid.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
        if dry_run:
            _check(grid, cells, context, place, True, quiet)
            _list(cells, json_output)
            return
        sweep = _new(grid, cells, context, place, force, quiet)
    _run(sweep, json_output, quiet)


# --- what to run ----------------------------------------------------------------------------------------------------


def _new(grid: Path, cells: Sequence[Cell], context: DataContext, place: Path, force: bool, quiet: bool) -> Sweep:
    first_run = _check(grid, cells, context, place, force, quiet)
    from stalefl.run.sweep import new_sweep

    return new_sweep(cells, place, context, force, first_run)


def _check(grid: Path, cells: Sequence[Cell], context: DataContext, place: Path, force: bool, quiet: bool) -> Run:
    """The run of the first cell. Raises InputError unless all cells can run. The folder comes first: whether it is
    taken is known at once."""
    from stalefl.cli.common import console
    from stalefl.cli.progress import announce, steps

    screen = console(stderr=True)
    screen.quiet = quiet
    announce(screen, f"checking {len(cells)} cell{'s' * (len(cells) > 1)}", spinner=False)
    with steps(screen, "cells checked:", len(cells), quiet) as on_checked:
        from stalefl.contracts import InputError
        from stalefl.records.sweep_folder import SweepFolder
        from stalefl.run.checking import check_cells

        SweepFolder(place).check_free(force)
        try:
            checked = check_cells(cells, context, on_checked)
        except InputError as error:
            raise InputError(f"{grid}: {error}") from error
    for doubt in checked.doubts:
        logging.getLogger(__name__).warning("%s", doubt)
    return checked.first_run


def _reopened(place: Path, context: DataContext, flags: Mapping[str, Mapping[str, Any]], quiet: bool) -> Sweep:
    with Watch(quiet).reading(place):
        from stalefl.run.sweep import reopened_sweep

        return reopened_sweep(place, context, flags)


def _list(cells: Sequence[Cell], json_output: bool) -> None:
    from stalefl.cli.common import console, print_json
    from stalefl.run.sweep import seeds

    if json_output:
        named = [{"name": cell.name, "values": dict(cell.values)} for cell in cells]
        print_json({"schema": 1, "seeds": seeds(cells), "cells": named})
        return
    screen, count = console(), len(seeds(cells))
    for number, cell in enumerate(cells, start=1):
        screen.print(f"{number}: {cell.label}", soft_wrap=True)
    screen.print(f"{len(cells)} cells with {count} seed{'s' * (count > 1)} each: {len(cells) * count} runs")


# --- running --------------------------------------------------------------------------------------------------------


def _run(sweep: Sweep, json_output: bool, quiet: bool) -> None:
    from stalefl.machine.processes import ProcessKilled, new_stop
    from stalefl.run.sweep import run_sweep

    stop, trouble, killed_by_hand = new_stop(), "", False
    with _progress(sweep, quiet) as (on_record, on_outcome), stop_on_interrupt(stop, "this round"):
        try:
            trouble = run_sweep(sweep, sweep.cells[0].experiment.run.jobs, on_record, on_outcome, stop)
        except KeyboardInterrupt:
            killed_by_hand = True
        except ProcessKilled:
            trouble = "the process of a run was killed, for memory perhaps"
    for run, outcome in sweep.failures:
        typer.echo(f"failed: {run.label}: {one_line(outcome.error)}", err=True)
    stopped = killed_by_hand or not (sweep.all_ended or trouble)
    if not stopped:
        _report(sweep, json_output, quiet)
    if sweep.left or trouble:
        reason = f"error: {trouble}" if trouble else "stopped" if stopped else "error: runs failed"
        done = len(sweep.runs) - len(sweep.left)
        typer.echo(
            f"{reason}; {done} of {len(sweep.runs)} runs finished; go on with: "
            f"stalefl sweep --resume {sweep.folder.path}",
            err=True,
        )
        raise typer.Exit(INTERRUPTED if stopped else RUNS_FAILED)


@contextmanager
def _progress(sweep: Sweep, quiet: bool) -> Iterator[tuple[OnRunRecord, OnRunOutcome]]:
    """Rounds of all runs that are left, with the time that they take; a line when a run ends."""
    from stalefl.cli.common import console
    from stalefl.cli.progress import accuracy_note, steps

    screen, last_round = console(stderr=True), dict[str, int]()
    screen.quiet = quiet
    rounds = [sweep.runs[index].cell.experiment.run.rounds for index in sweep.left]
    if rounds:
        screen.print(f"{len(rounds)} runs: {sum(rounds)} rounds", soft_wrap=True)
    with ExitStack() as stack:
        shown: list[Callable[[int], None]] = []

        def on_record(run: CellRun, record: Mapping[str, Any]) -> None:
            last_round[run.label] = record["round"]
            if not shown:
                # The pace leaves out the start-up before the first round.
                shown.append(stack.enter_context(steps(screen, "all runs: round", sum(rounds), quiet)))
            shown[0](sum(last_round.values()))

        def on_outcome(run: CellRun, outcome: RunOutcome) -> None:
            # The rounds that a failed run leaves undone are not waited for.
            last_round[run.label] = run.cell.experiment.run.rounds
            affected = run.cell.experiment.staleness.affected_classes
            what = accuracy_note(outcome.result["final"], affected) if outcome.result else "failed"
            screen.print(f"{run.label}: {what}", highlight=False, soft_wrap=True)

        yield on_record, on_outcome


def _report(sweep: Sweep, json_output: bool, quiet: bool) -> None:
    from stalefl.cli.common import console, print_json
    from stalefl.report.tables.settings import sheet_table

    if json_output:
        print_json(sweep.document())
    elif not quiet:
        screen, place = console(), sweep.folder.path
        screen.print(sheet_table(sweep.sheet(), screen.width))
        screen.print(f"tables: {place}/results.parquet, .md, .tex", soft_wrap=True)
        screen.print(f"page: stalefl report {place}", soft_wrap=True)
