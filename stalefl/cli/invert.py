"""``stalefl invert``: recover D_rec from one update, of a run or of a user's files, and show what it explains."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from stalefl.cli import options as opt
from stalefl.cli import update_options as update_opt
from stalefl.cli.interruption import stopped_by_hand
from stalefl.cli.update_options import UpdateOfRun, check_source, files_experiment, named
from stalefl.cli.watch import Watch
from stalefl.formatting import labels_in_words, program_in_words

if TYPE_CHECKING:
    from rich.table import Table

    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext
    from stalefl.inversion.recovery import RecoveryOptions
    from stalefl.records.inversion_folder import InversionFolder
    from stalefl.updates.invert import Inverted
    from stalefl.updates.observed import ObservedUpdate
    from stalefl.updates.surface import Surface

RECOVERY = "Recovery"
SMALL_TRUE_UPDATE = 0.1
"""Size (L1) of the true update, relative to the late one's, below which errors relative to it are remarked on."""
logger = logging.getLogger(__name__)


def invert_command(
    run: update_opt.RunOption = None,
    client: update_opt.ClientOption = None,
    round: update_opt.RoundOption = None,
    base: update_opt.BaseOption = None,
    update: update_opt.UpdateOption = None,
    update_is: update_opt.UpdateIsOption = "delta",
    current: update_opt.CurrentOption = None,
    truth: update_opt.TruthOption = None,
    samples: update_opt.SamplesOption = None,
    model: opt.ModelOption = None,
    dataset: opt.DatasetOption = None,
    settings: opt.SettingsOption = None,
    iterations: Annotated[
        int | None,
        typer.Option(help="Greatest number of iterations (method.options.iterations).", rich_help_panel=RECOVERY),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="N", help="Samples in D_rec, or auto (method.options.size).", rich_help_panel=RECOVERY),
    ] = None,
    sparsify: Annotated[
        float | None,
        typer.Option(
            help="Share of the update's entries, the smallest, left out (method.options.sparsify).",
            rich_help_panel=RECOVERY,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Root of the recovery's own draws.", show_default="the run's, else 0", rich_help_panel=RECOVERY
        ),
    ] = None,
    no_surface: Annotated[
        bool, typer.Option("--no-surface", help="Draw no loss surfaces: quicker.", rich_help_panel=opt.OUTPUT)
    ] = False,
    out: opt.FindingsOption = None,
    force: opt.ForceOption = False,
    device: opt.DeviceOption = None,
    data_dir: opt.DataDirOption = None,
    download: opt.DownloadOption = False,
    json_output: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Recover D_rec, data whose training reproduces an update, and show what it explains.

    The update is one of a run (--run, --client, --round; --set takes method.options only) or of your own files (--base,
    --update; --model, --dataset and --set training.KEY=VALUE describe the client's local program). Where today's model
    is known, it also estimates the update that the client would send from it.

    Example: stalefl invert --run runs/demo/inversion/seed-0 --client 5 --round 60
    """
    from stalefl.cli.common import set_up_logging
    from stalefl.data.place import data_context
    from stalefl.records.inversion_folder import InversionFolder

    set_up_logging(quiet, verbose)
    context, watch = data_context(data_dir, download), Watch(quiet, spinner=not (verbose or download))
    of_run = UpdateOfRun(run, client, round)
    of_files = InvertedFiles(base, update, current, truth, samples)
    check_source(named(of_run), named(of_files), {"--model": model, "--dataset": dataset}, update_is)
    folder = InversionFolder(out or _new_place(client, round))
    folder.check_free(force)
    chosen = _given_options(iterations, size, sparsify)
    with stopped_by_hand("nothing was written"):
        if run is not None:
            observed, options = _of_run(of_run, settings or [], chosen, device, context, watch)
        else:
            flags = {"data": {"dataset": dataset}, "model": {"name": model}, "run": {"device": device}}
            experiment = files_experiment(settings or [], flags, own_tables=["method.options"])
            observed, options = _of_files(of_files, update_is, experiment, chosen, context, watch)
        inverted = _inverted(observed, options, seed, watch)
        around = {} if no_surface else _surfaces(inverted, watch)
    with stopped_by_hand(f"{folder.path} is not complete"):
        from stalefl.updates.inversion_records import write_inversion

        folder.make(force)
        result = write_inversion(inverted, around, folder)
    _report(result, observed.view.input_spec.class_names, folder, json_output, quiet)


# --- what to invert -------------------------------------------------------------------------------------------------


class InvertedFiles(NamedTuple):
    """The options that name an update of files, and what else is known of it."""

    base: Path | None
    update: Path | None
    current: Path | None
    truth: Path | None
    samples: int | None


def _given_options(iterations: int | None, size: str | None, sparsify: float | None) -> dict[str, Any]:
    """Keys of method.options that have an option of their own, where it is given."""
    number = int(size) if size is not None and size.isdecimal() else size
    options = {"iterations": iterations, "size": number, "sparsify": sparsify}
    return {key: value for key, value in options.items() if value is not None}


def _new_place(client: int | None, round: int | None) -> Path:
    which = "" if client is None else f"-client-{client}-round-{round}"
    return Path("runs") / f"invert{which}-{time.strftime('%Y%m%d-%H%M%S')}"


def _method_options(settings: Sequence[str]) -> dict[str, Any]:
    """What ``--set`` says of method.options; all else is the run's and cannot be set beside it."""
    from stalefl.config.loading import parse_override
    from stalefl.contracts import InputError

    options: dict[str, Any] = {}
    for text in settings:
        method = parse_override(text).get("method")
        given = method.get("options") if isinstance(method, dict) else None
        if not isinstance(given, dict):
            raise InputError(f"--set {text}: beside --run only method.options.KEY=VALUE; all else is as the run has it")
        options |= given
    return options


def _of_run(
    of_run: UpdateOfRun,
    settings: Sequence[str],
    chosen: Mapping[str, Any],
    device: str | None,
    context: DataContext,
    watch: Watch,
) -> tuple[ObservedUpdate, RecoveryOptions]:
    """The update of a run and the options of the recovery: those of the run's method, ``chosen`` winning."""
    chosen = {**_method_options(settings), **chosen}
    run = of_run.opened(device, context, watch)
    from stalefl.updates import invert

    options = invert.recovery_options({**invert.run_options(run.experiment.method), **chosen})
    return of_run.replayed(run, watch), options


def _of_files(
    of_files: InvertedFiles,
    update_is: str,
    experiment: Experiment,
    chosen: Mapping[str, Any],
    context: DataContext,
    watch: Watch,
) -> tuple[ObservedUpdate, RecoveryOptions]:
    """The update of files and the options of the recovery: those of the experiment, ``chosen`` winning."""
    with watch.reading(of_files.base):
        from stalefl.updates import invert, observed

        options = invert.recovery_options({**experiment.method.options, **chosen})
        given: dict[str, Any] = {**of_files._asdict(), "update_is": update_is}
        return observed.from_files(experiment, observed.UpdateFiles(**given), context), options


# --- inverting ------------------------------------------------------------------------------------------------------


def _inverted(update: ObservedUpdate, options: RecoveryOptions, seed: int | None, watch: Watch) -> Inverted:
    """D_rec, of which a warning says that it explains little."""
    from stalefl.updates import invert

    root = update.experiment.run.seed if seed is None else seed
    with watch.steps("recovering D_rec: iteration", options.iterations) as advance:
        inverted = invert.invert(update, options, root, advance)
    if not inverted.is_explained:
        program = "Is the local program right (--set training...), is --update-is right? "
        logger.warning(
            "D_rec explains little of the update (relative L1 error %.2f): labels, pictures and the estimate mean "
            "little. %sElse more --iterations or a larger --size may help",
            inverted.fit_error.l1,
            "" if update.arrived else program,
        )
    return inverted


def _surfaces(inverted: Inverted, watch: Watch) -> Mapping[str, Surface]:
    from stalefl.updates import invert

    with watch.steps("loss surfaces: point", invert.surface_points(inverted.observed)) as advance:
        return invert.surfaces(inverted, advance)


# --- what is printed ------------------------------------------------------------------------------------------------


def _report(
    result: Mapping[str, Any], class_names: Sequence[str], folder: InversionFolder, json_output: bool, quiet: bool
) -> None:
    from stalefl.cli.common import console, print_json
    from stalefl.formatting import duration

    if json_output:
        print_json(result)
        return
    if quiet:
        return
    screen = console()
    samples = "unknown" if result["samples"] is None else result["samples"]
    screen.print(_headline(result), soft_wrap=True)
    screen.print(
        f"local program: {program_in_words(result['training'])}; the client's samples: {samples}", soft_wrap=True
    )
    screen.print(
        f"recovered: {result['size']} samples in {result['iterations']} iterations, {duration(result['seconds'])}; "
        f"loss {result['first_loss']:.3g} -> {result['last_loss']:.3g}",
        soft_wrap=True,
    )
    labels = f"labels in D_rec: {labels_in_words(result['label_shares'], class_names)}"
    if result["true_label_shares"]:
        labels += f"; in the client's data: {labels_in_words(result['true_label_shares'], class_names)}"
    screen.print(labels, soft_wrap=True)
    screen.print(_table(result))
    size = result["true_update_size"]
    if size is not None and size < SMALL_TRUE_UPDATE:
        screen.print(
            f"the true update of today is {size:.2g} of the late one's size: the model knows the client's data by now. "
            "Errors relative to so little are large whatever the estimate",
            soft_wrap=True,
        )
    screen.print(f"files: {folder.path} ({', '.join(folder.written())})", soft_wrap=True)


def _headline(result: Mapping[str, Any]) -> str:
    place = f"{result['model']} on {result['dataset']}"
    if result["client"] is None:
        return f"an update of {place}"
    late = f"{result['staleness_rounds']} rounds late" if result["staleness_rounds"] else "on time"
    return f"the update of client {result['client']} in round {result['round']}, {late}; {place}"


def _table(result: Mapping[str, Any]) -> Table:
    """How far updates are from those they should equal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = {
        "fit_error": ("D_rec, trained where the client began", "the client's update"),
        "noise_error": ("noise, likewise, for comparison", "the client's update"),
        "stale_error": ("the late update as it is", "the true update of today"),
        "estimate_error": ("inversion's estimate: D_rec, trained from today's model", "the true update of today"),
        "anchored_estimate_error": (
            "anchored-inversion's: that + what persists of the rest",
            "the true update of today",
        ),
    }
    caption = "relative error 0: exact; 1: as far off as no update at all"
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), caption=caption, caption_justify="left")
    table.add_column("the update of ...", no_wrap=True)
    table.add_column("against", no_wrap=True)
    for heading in ("relative L1 error", "cosine distance"):
        table.add_column(heading, justify="right")
    for key, (what, against) in rows.items():
        if error := result[key]:
            table.add_row(what, against, f"{error['l1']:.3f}", f"{error['cosine']:.3f}")
    return table
