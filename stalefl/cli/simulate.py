"""``stalefl simulate``: run an experiment, or compare methods on identical data, delays and initial weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stalefl.cli import options as opt
from stalefl.cli.common import given_only
from stalefl.cli.interruption import INTERRUPTED, stop_on_interrupt

if TYPE_CHECKING:
    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext
    from stalefl.machine.processes import Stop
    from stalefl.run.tasks import Task

DEMO_METHODS = ("unstale", "unweighted", "weighted", "inversion")
DEMO_SEEDS = 3


def simulate_command(
    experiment: Annotated[
        Path | None, typer.Argument(help="Experiment file (TOML). Without one: the embedded digits data.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="Method to run; repeat it to compare several.",
            rich_help_panel=opt.EXPERIMENT,
        ),
    ] = None,
    dataset: opt.DatasetOption = None,
    model: opt.ModelOption = None,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds to simulate, as run.rounds.", rich_help_panel=opt.EXPERIMENT)
    ] = None,
    seed: opt.SeedOption = None,
    seeds: Annotated[
        int | None, typer.Option(help="Repeat with this many seeds, as run.seeds.", rich_help_panel=opt.EXPERIMENT)
    ] = None,
    scale: opt.ScaleOption = None,
    settings: opt.SettingsOption = None,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle",
            help="Also measure the true estimation errors, as evaluation.oracle.",
            rich_help_panel=opt.EXPERIMENT,
        ),
    ] = False,
    observer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An observer told of every round, as observers.names; may be repeated.",
            rich_help_panel=opt.OUTPUT,
        ),
    ] = None,
    out: Annotated[Path | None, opt.new_folder("Folder for the records.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on where the run or comparison in this folder stopped.", rich_help_panel=opt.OUTPUT),
    ] = None,
    force: opt.ForceOption = False,
    jobs: opt.JobsOption = None,
    device: opt.DeviceOption = None,
    data_dir: opt.DataDirOption = None,
    download: opt.DownloadOption = False,
    json_output: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Simulate federated learning in which some clients are late.

    With neither a file nor a method named it compares unstale, unweighted, weighted and inversion with 3 seeds. Flags
    win over --set, --set over the file, the file over the defaults.

    Example: stalefl simulate --method unweighted --method inversion --seeds 3 --out runs/late
    """
    from stalefl.cli.common import set_up_logging
    from stalefl.contracts import InputError
    from stalefl.data.place import data_context

    set_up_logging(quiet, verbose)
    context = data_context(data_dir, download)
    flags: dict[str, dict[str, Any]] = {
        "data": {"dataset": dataset},
        "model": {"name": model},
        "method": {"name": _one_or_several(method)},
        "evaluation": {"oracle": oracle or None},
        "observers": {"names": observer or None},
        "run": {"rounds": rounds, "seed": seed, "seeds": seeds, "device": device, "jobs": jobs},
    }
    if resume is not None:
        named = [experiment, method, dataset, model, seed, scale, settings, out]
        if force or oracle or any(value is not None for value in named):
            valid = "--rounds, --seeds, --jobs, --device, --observer"
            raise InputError(f"--resume takes its settings from the folder; valid beside it: {valid}")
        place = resume
        with _announced(f"reading {place}", context, quiet, verbose):
            from stalefl.run import comparison

            tasks = comparison.reopened_tasks(place, given_only(flags), context)
    else:
        loaded = _load(experiment, scale or "", settings or [], given_only(flags), compare_by_default=not method)
        place = out or _new_place(experiment, loaded)
        data = " and ".join(filter(None, [loaded.data.dataset, loaded.drift.dataset]))
        with _announced(f"reading {data}", context, quiet, verbose):
            from stalefl.run import comparison

            tasks = comparison.new_tasks(loaded, place, context, force)

    from stalefl.machine.processes import new_stop

    stop = new_stop()
    try:
        results = _run(tasks, stop, quiet)
    except KeyboardInterrupt:
        results = []
    finished = [result for result in results if result is not None]
    if len(finished) < len(tasks):
        typer.echo(f"stopped; go on with: stalefl simulate --resume {place}", err=True)
        raise typer.Exit(INTERRUPTED)
    _report(tasks, finished, place, json_output, quiet)


# --- what to run ----------------------------------------------------------------------------------------------------


def _one_or_several(methods: list[str] | None) -> str | list[str] | None:
    return methods[0] if methods and len(methods) == 1 else methods


def _load(
    file: Path | None,
    scale: str,
    settings: Sequence[str],
    flags: dict[str, dict[str, Any]],
    compare_by_default: bool,
) -> Experiment:
    from stalefl.config.loading import load_experiment

    if file is None and compare_by_default and not any(s.strip().startswith("method.name") for s in settings):
        flags = {**flags, "method": {"name": list(DEMO_METHODS)}, "run": {"seeds": DEMO_SEEDS, **flags.get("run", {})}}
    return load_experiment(file, settings, flags, scale)


def _new_place(file: Path | None, experiment: Experiment) -> Path:
    name = file.stem if file else experiment.data.dataset.replace(":", "-").replace("/", "-")
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _announced(text: str, context: DataContext, quiet: bool, verbose: bool) -> AbstractContextManager[object]:
    """PyTorch and the data take seconds to load; what says so must not wait for them."""
    from stalefl.cli.common import console
    from stalefl.cli.progress import announce

    if quiet:
        return nullcontext()
    return announce(console(stderr=True), text, spinner=not (verbose or context.download))


# --- running --------------------------------------------------------------------------------------------------------


def _run(tasks: Sequence[Task], stop: Stop, quiet: bool) -> list[dict[str, Any] | None]:
    from stalefl.cli.common import console
    from stalefl.cli.progress import make_display
    from stalefl.run.tasks import run_task, run_tasks

    first = tasks[0].experiment
    labels = [task.label for task in tasks]
    display = make_display(console(stderr=True), labels, first.run.rounds, first.staleness.affected_classes, quiet)
    with stop_on_interrupt(stop, "this round"), display:
        return run_tasks(run_task, tasks, first.run.jobs, display.advance, stop)


def _report(
    tasks: Sequence[Task], results: Sequence[dict[str, Any]], place: Path, json_output: bool, quiet: bool
) -> None:
    from stalefl.cli.common import console, print_json
    from stalefl.report.tables.estimates import estimation_table
    from stalefl.report.tables.methods import comparison_table
    from stalefl.run.summary import records_by_method, summarise

    overview, pictures = summarise(tasks, results, place)
    if json_output:
        print_json(results[0] if len(tasks) == 1 else {"schema": 1, "runs": list(results), "summary": overview})
    elif not quiet:
        screen = console()
        screen.print(comparison_table(results))
        if table := estimation_table(records_by_method(tasks)):
            screen.print(table)
        if delays := _delays(tasks):
            screen.print(delays, highlight=False, soft_wrap=True)
        screen.print(f"records: {place}", highlight=False, soft_wrap=True)
        screen.print(
            f"{'pictures' if pictures[1:] else 'picture'}: {', '.join(map(str, pictures))}",
            highlight=False,
            soft_wrap=True,
        )
        screen.print(f"page: stalefl report {place}", highlight=False, soft_wrap=True)


def _delays(tasks: Sequence[Task]) -> str:
    """How late updates were, of the first method that saw any; the same for all methods of its seed."""
    from stalefl.records.metrics import delays_in_words
    from stalefl.records.run_folder import RunFolder

    for task in tasks:
        if words := delays_in_words(RunFolder(task.path).read_rounds()):
            seed = f" with seed {task.experiment.run.seed}" if len({t.experiment.run.seed for t in tasks}) > 1 else ""
            return f"delays{seed}: {words}"
    return ""
