"""``stalefl invert``: recover D_rec from one update, of a run or of a user's files, and show what it explains."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from stalefl.cli.common import (
    OUTPUT,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    DownloadOption,
    ForceOption,
    JsonOption,
    ModelOption,
    QuietOption,
    SettingsOption,
    VerboseOption,
)
from stalefl.cli.observing import (
    BaseOption,
    ClientOption,
    CurrentOption,
    RoundOption,
    RunOption,
    SamplesOption,
    TruthOption,
    UpdateIsOption,
    UpdateOption,
    Watch,
    check_source,
    files_experiment,
    stopped_by_hand,
)
from stalefl.formatting import labels_in_words, program_in_words

if TYPE_CHECKING:
    from rich.table import Table

    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext
    from stalefl.inversion.recovery import RecoveryOptions
    from stalefl.records.inversion_folder import InversionFolder
    from stalefl.updates.observed import Observed

RECOVERY = "Recovery"
SMALL_TRUE_UPDATE = 0.1
"""Size (L1) of the true update, relative to the late one's, below which errors relative to it are remarked on."""
logger = logging.getLogger(__name__)


def invert_command(
    run: RunOption = None,
    client: ClientOption = None,
    round: RoundOption = None,
    base: BaseOption = None,
    update: UpdateOption = None,
    update_is: UpdateIsOption = "delta",
    current: CurrentOption = None,
    truth: TruthOption = None,
    samples: SamplesOption = None,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    settings: SettingsOption = None,
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
        bool, typer.Option("--no-surface", help="Draw no loss surfaces: quicker.", rich_help_panel=OUTPUT)
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for what is found.", show_default="a new one below runs/", rich_help_panel=OUTPUT),
    ] = None,
    force: ForceOption = False,
    device: DeviceOption = None,
    data_dir: DataDirOption = None,
    download: DownloadOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
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
    of_run = {"--run": run, "--client": client, "--round": round}
    of_files = {"--base": base, "--update": update, "--current": current, "--truth": truth, "--samples": samples}
    check_source(of_run, of_files, {"--model": model, "--dataset": dataset}, update_is)
    folder = InversionFolder(out or _new_place(client, round))
    folder.check_free(force)
    direct = {"iterations": iterations, "size": _size(size), "sparsify": sparsify}
    chosen = {key: value for key, value in direct.items() if value is not None}
    with stopped_by_hand("nothing was written"):
        if run is not None:
            chosen = {**_method_options(settings or []), **chosen}
            observed, options = _of_run(run, cast(int, client), cast(int, round), chosen, device, context, watch)
        else:
            flags = {"data": {"dataset": dataset}, "model": {"name": model}, "run": {"device": device}}
            experiment = files_experiment(settings or [], flags, own_tables=["method.options"])
            chosen = {**experiment.method.options, **chosen}
            observed, options = _of_files(experiment, {**of_files, "--update-is": update_is}, chosen, context, watch)

        from stalefl.updates import invert

        root = observed.experiment.run.seed if seed is None else seed
        with watch.steps("recovering D_rec: iteration", options.iterations) as advance:
            inverted = invert.invert(observed, options, root, advance)
        _warn_if_unexplained(inverted.fit_error.l1, is_explained=inverted.is_explained, of_files=run is None)
        around = {}
        if not no_surface:
            with watch.steps("loss surfaces: point", invert.surface_points(observed)) as advance:
                around = invert.surfaces(inverted, advance)
    with stopped_by_hand(f"{folder.path} is not complete"):
        folder.make(force)
        result = invert.write(inverted, around, folder)
    _report(result, observed.view.input_spec.class_names, folder, json_output, quiet)


def _warn_if_unexplained(l1: float, is_explained: bool, of_files: bool) -> None:
    if is_explained:
        return
    program = "Is the local program right (--set training...), is --update-is right? " if of_files else ""
    logger.warning(
        "D_rec explains little of the update (relative L1 error %.2f): labels, pictures and the estimate mean little. "
        "%sElse more --iterations or a larger --size may help",
        l1,
        program,
    )


# --- what to invert -------------------------------------------------------------------------------------------------


def _size(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text


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
    path: Path,
    client: int,
    round: int,
    chosen: Mapping[str, Any],
    device: str | None,
    context: DataContext,
    watch: Watch,
) -> tuple[Observed, RecoveryOptions]:
    """The update of a run and the options of the recovery: those of the run's method, ``chosen`` winning."""
    from stalefl.records.run_folder import RunFolder

    with watch.reading(path):
        from stalefl.updates import invert, observed

        run = observed.open_run(path, device, context)
        options = invert.recovery_options({**invert.run_options(run.experiment.method), **chosen})
        observed.check_arrival(run, client, round)
    with watch.steps("replaying: round", round) as advance:
        return observed.from_run(run, client, round, RunFolder(path).read_rounds(), advance), options


def _of_files(
    experiment: Experiment, files: Mapping[str, Any], chosen: Mapping[str, Any], context: DataContext, watch: Watch
) -> tuple[Observed, RecoveryOptions]:
    with watch.reading(files["--base"]):
        from stalefl.updates import invert, observed

        options = invert.recovery_options(chosen)
        given = {name.removeprefix("--").replace("-", "_"): value for name, value in files.items()}
        return observed.from_files(experiment, observed.UpdateFiles(**given), context), options


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
