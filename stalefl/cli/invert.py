"""``stalefl invert``: recover D_rec from one update, of a run or of a user's files, and show what it explains."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

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

if TYPE_CHECKING:
    from rich.table import Table

    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext
    from stalefl.inversion.recovery import RecoveryOptions
    from stalefl.observed import Observed
    from stalefl.report.folders import InversionFolder

A_RUN, FILES, RECOVERY = "An update of a run", "An update of your own files", "Recovery"
MOST_NAMED_LABELS = 5
USED_WITH_FILES = ("data", "model", "training", "method.options", "run.seed", "run.device", "run.threads")
"""Tables and keys of an experiment that say something of an update of files."""
UNUSED_WITH_FILES = ("training.clients_per_round", "training.selection")
logger = logging.getLogger(__name__)


def invert_command(
    run: Annotated[
        Path | None,
        typer.Option(help="Run folder. It is replayed, which takes as long as the run did.", rich_help_panel=A_RUN),
    ] = None,
    client: Annotated[
        int | None, typer.Option(help="The client whose update is inverted.", rich_help_panel=A_RUN)
    ] = None,
    round: Annotated[int | None, typer.Option(help="The round in which it arrives.", rich_help_panel=A_RUN)] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            help="The weights the client was given: safetensors by name, or npz/npy in parameter order.",
            rich_help_panel=FILES,
        ),
    ] = None,
    update: Annotated[Path | None, typer.Option(help="Its update, likewise.", rich_help_panel=FILES)] = None,
    update_is: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            show_default="delta",
            help="What --update and --truth hold: delta (new weights minus old) or weights (the new ones).",
            rich_help_panel=FILES,
        ),
    ] = "delta",
    current: Annotated[
        Path | None, typer.Option(help="Today's global model, for the unstale update.", rich_help_panel=FILES)
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="The client's true update from today's model, to compare with.", rich_help_panel=FILES),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="The client's number of samples; needed if it trains on mini-batches.", rich_help_panel=FILES
        ),
    ] = None,
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
    from stalefl.cli.common import data_context, set_up_logging
    from stalefl.report.folders import InversionFolder

    set_up_logging(quiet, verbose)
    context, watch = data_context(data_dir, download), Watch(quiet, spinner=not (verbose or download))
    of_run = {"--run": run, "--client": client, "--round": round}
    of_files = {"--base": base, "--update": update, "--current": current, "--truth": truth, "--samples": samples}
    _check_source(of_run, of_files, {"--model": model, "--dataset": dataset}, update_is)
    folder = InversionFolder(out or _new_place(client, round))
    folder.check_free(force)
    direct = {"iterations": iterations, "size": _size(size), "sparsify": sparsify}
    chosen = {key: value for key, value in direct.items() if value is not None}
    with _stopped_by_hand("nothing was written"):
        if run is not None:
            chosen = {**_method_options(settings or []), **chosen}
            observed, options = _of_run(run, cast(int, client), cast(int, round), chosen, device, context, watch)
        else:
            experiment = _experiment(settings or [], dataset, model, device)
            chosen = {**experiment.method.options, **chosen}
            observed, options = _of_files(experiment, {**of_files, "--update-is": update_is}, chosen, context, watch)

        from stalefl import invert

        root = observed.experiment.run.seed if seed is None else seed
        with watch.steps("recovering D_rec: iteration", options.iterations) as advance:
            inverted = invert.invert(observed, options, root, advance)
        _warn_if_unexplained(inverted.fit_error.l1, is_explained=inverted.is_explained, of_files=run is None)
        around = {}
        if not no_surface:
            with watch.steps("loss surfaces: point", invert.surface_points(observed)) as advance:
                around = invert.surfaces(inverted, advance)
    with _stopped_by_hand(f"{folder.path} is not complete"):
        folder.create(force)
        result = invert.write(inverted, around, folder)
    _report(result, observed.view.input_spec.class_names, folder, json_output, quiet)


@contextmanager
def _stopped_by_hand(what_is_left: str) -> Iterator[None]:
    """Ctrl-C is answered by a line on stderr before it ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped; {what_is_left}", err=True)
        raise typer.Abort from None


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


class Watch(NamedTuple):
    """How what takes a while is shown."""

    quiet: bool
    spinner: bool

    def reading(self, place: Path) -> AbstractContextManager[object]:
        from stalefl.cli.common import console
        from stalefl.cli.progress import announce

        return nullcontext() if self.quiet else announce(console(stderr=True), f"reading {place}", self.spinner)

    def steps(self, text: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        from stalefl.cli.common import console
        from stalefl.cli.progress import steps

        return steps(console(stderr=True), text, total, self.quiet)


# --- what to invert -------------------------------------------------------------------------------------------------


def _check_source(
    of_run: Mapping[str, Any], of_files: Mapping[str, Any], beside_files: Mapping[str, Any], update_is: str
) -> None:
    """Raises InputError unless the options name one update, of a run or of files."""
    from stalefl.contracts import InputError

    if update_is not in ("delta", "weights"):
        raise InputError(f"--update-is {update_is}: not valid; valid: delta, weights")
    if of_run["--run"] is None and of_files["--base"] is None and of_files["--update"] is None:
        raise InputError("nothing to invert; valid: --run, --client and --round, or --base and --update")
    from_run = of_run["--run"] is not None
    foreign, needed = ({**of_files, **beside_files}, of_run) if from_run else (of_run, of_files)
    required = list(of_run) if from_run else ["--base", "--update"]
    if wrong := [name for name, value in foreign.items() if value is not None]:
        valid = ", ".join(required[1:]) if from_run else ", ".join([*required, *beside_files])
        raise InputError(f"{wrong[0]} does not go with {'--run' if from_run else 'files'}; valid: {valid}")
    if missing := [name for name in required if needed[name] is None]:
        raise InputError(f"{missing[0]} is missing; valid: {', '.join(required)}")


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


def _experiment(settings: Sequence[str], dataset: str | None, model: str | None, device: str | None) -> Experiment:
    """What the options say of an update of files. Raises InputError for a key that says nothing of one."""
    from stalefl.config.loading import load_experiment
    from stalefl.contracts import InputError

    named = {"data": {"dataset": dataset}, "model": {"name": model}, "run": {"device": device}}
    flags = {table: {k: v for k, v in keys.items() if v is not None} for table, keys in named.items()}
    experiment = load_experiment(None, settings, {table: keys for table, keys in flags.items() if keys})
    given = [".".join(part.strip() for part in text.partition("=")[0].split(".")) for text in settings]
    for key in given:
        if key in UNUSED_WITH_FILES or not f"{key}.".startswith(tuple(f"{used}." for used in USED_WITH_FILES)):
            valid = f"{', '.join(USED_WITH_FILES)} (but {' and '.join(UNUSED_WITH_FILES)})"
            raise InputError(f"--set {key}: says nothing of an update of files, which one client made; valid: {valid}")
    if not any(key.startswith("training.") for key in given):
        logger.warning(
            "no --set training.KEY=VALUE: the client is taken to have run %s",
            _program(experiment.training.model_dump()),
        )
    return experiment


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
    from stalefl.report.folders import RunFolder

    with watch.reading(path):
        from stalefl import invert, observed

        run = observed.open_run(path, device, context)
        options = invert.recovery_options({**invert.run_options(run.experiment.method), **chosen})
        observed.check_arrival(run, client, round)
    with watch.steps("replaying: round", round) as advance:
        return observed.from_run(run, client, round, RunFolder(path).read_rounds(), advance), options


def _of_files(
    experiment: Experiment, files: Mapping[str, Any], chosen: Mapping[str, Any], context: DataContext, watch: Watch
) -> tuple[Observed, RecoveryOptions]:
    with watch.reading(files["--base"]):
        from stalefl import invert, observed

        options = invert.recovery_options(chosen)
        given = {name.removeprefix("--").replace("-", "_"): value for name, value in files.items()}
        return observed.from_files(experiment, observed.UpdateFiles(**given), context), options


# --- what is printed ------------------------------------------------------------------------------------------------


def _report(
    result: Mapping[str, Any], class_names: Sequence[str], folder: InversionFolder, json_output: bool, quiet: bool
) -> None:
    from stalefl.cli.common import console, print_json
    from stalefl.cli.progress import duration

    if json_output:
        print_json(result)
        return
    if quiet:
        return
    screen = console()
    samples = "unknown" if result["samples"] is None else result["samples"]
    screen.print(_headline(result), soft_wrap=True)
    screen.print(f"local program: {_program(result['training'])}; the client's samples: {samples}", soft_wrap=True)
    screen.print(
        f"recovered: {result['size']} samples in {result['iterations']} iterations, {duration(result['seconds'])}; "
        f"loss {result['first_loss']:.3g} -> {result['last_loss']:.3g}",
        soft_wrap=True,
    )
    labels = f"labels in D_rec: {_labels(result['label_shares'], class_names)}"
    if result["true_label_shares"]:
        labels += f"; in the client's data: {_labels(result['true_label_shares'], class_names)}"
    screen.print(labels, soft_wrap=True)
    screen.print(_table(result))
    screen.print(f"files: {folder.path} ({', '.join(folder.written())})", soft_wrap=True)


def _headline(result: Mapping[str, Any]) -> str:
    place = f"{result['model']} on {result['dataset']}"
    if result["client"] is None:
        return f"an update of {place}"
    late = f"{result['staleness_rounds']} rounds late" if result["staleness_rounds"] else "on time"
    return f"the update of client {result['client']} in round {result['round']}, {late}; {place}"


def _program(training: Mapping[str, Any]) -> str:
    batches = f"batches of {training['batch_size']}" if training["batch_size"] else "full batch"
    sgd = training["optimizer"] == "sgd"
    used = [*(["momentum"] if sgd else []), "weight_decay", "proximal_mu"]
    rest = [f"{name.replace('_', ' ')} {training[name]:g}" for name in used if training[name]]
    nesterov = ["nesterov"] if sgd and training["nesterov"] else []
    optimizer = f"{training['optimizer']} with lr {training['lr']:g}"
    return ", ".join([f"{training['local_epochs']} epochs", batches, optimizer, *rest, *nesterov])


def _labels(shares: Sequence[float], class_names: Sequence[str]) -> str:
    """The largest shares, as "5 93 %, 3 7 %"."""
    largest = sorted(range(len(shares)), key=lambda label: -shares[label])[:MOST_NAMED_LABELS]
    names = class_names or [str(label) for label in range(len(shares))]
    return ", ".join(f"{names[label]} {shares[label]:.0%}" for label in largest if shares[label] >= 0.005)


def _table(result: Mapping[str, Any]) -> Table:
    """How far updates are from those they should equal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = {
        "fit_error": ("D_rec, trained where the client began", "the client's update"),
        "noise_error": ("noise, likewise, for comparison", "the client's update"),
        "stale_error": ("the late update as it is", "the true update of today"),
        "estimate_error": ("the estimate: D_rec, trained from today's model", "the true update of today"),
        "anchored_estimate_error": ("the late update + the change that D_rec predicts", "the true update of today"),
    }
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("the update of ...", no_wrap=True)
    table.add_column("against", no_wrap=True)
    for heading in ("relative L1 error", "cosine distance"):
        table.add_column(heading, justify="right")
    for key, (what, against) in rows.items():
        if error := result[key]:
            table.add_row(what, against, f"{error['l1']:.3f}", f"{error['cosine']:.3f}")
    return table
