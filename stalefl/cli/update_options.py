"""Options of ``invert`` and ``privacy-audit`` that name an update, of a run or of files, and how one is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from stalefl.cli.common import given_only
from stalefl.cli.watch import Watch
from stalefl.formatting import program_in_words

if TYPE_CHECKING:
    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext
    from stalefl.run.setup import Run
    from stalefl.updates.observed import ObservedUpdate

A_RUN, FILES = "An update of a run", "An update of your own files"
USED_WITH_FILES = ("data", "model", "training", "run.seed", "run.device", "run.threads")
"""Tables and keys of an experiment that say something of an update of files."""
UNUSED_WITH_FILES = ("training.clients_per_round", "training.selection")
logger = logging.getLogger(__name__)

RunOption = Annotated[
    Path | None,
    typer.Option(help="Run folder. It is replayed, which takes as long as the run did.", rich_help_panel=A_RUN),
]
ClientOption = Annotated[int | None, typer.Option(help="The client whose update it is.", rich_help_panel=A_RUN)]
RoundOption = Annotated[int | None, typer.Option(help="The round in which it arrives.", rich_help_panel=A_RUN)]
BaseOption = Annotated[
    Path | None,
    typer.Option(
        help="The weights the client was given: safetensors by name, or npz/npy in parameter order.",
        rich_help_panel=FILES,
    ),
]
UpdateOption = Annotated[Path | None, typer.Option(help="Its update, likewise.", rich_help_panel=FILES)]
UpdateIsOption = Annotated[
    str,
    typer.Option(
        metavar="KIND",
        show_default="delta",
        help="What --update and --truth hold: delta (new weights minus old) or weights (the new ones).",
        rich_help_panel=FILES,
    ),
]
CurrentOption = Annotated[
    Path | None, typer.Option(help="Today's global model, for the unstale update.", rich_help_panel=FILES)
]
TruthOption = Annotated[
    Path | None,
    typer.Option(help="The client's true update from today's model, to compare with.", rich_help_panel=FILES),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        help="The client's number of samples; with files needed if it trains on mini-batches.", rich_help_panel=FILES
    ),
]


class UpdateOfRun(NamedTuple):
    """The options that name an update of a run; None where one is not given."""

    run: Path | None
    client: int | None
    round: int | None

    def opened(self, device: str | None, context: DataContext, watch: Watch) -> Run:
        """The run, in which the update does arrive. Raises InputError."""
        path, client, round = cast("tuple[Path, int, int]", self)
        with watch.reading(path):
            from stalefl.updates import observed

            run = observed.open_run(path, device, context)
            observed.check_arrival(run, client, round)
        return run

    def replayed(self, run: Run, watch: Watch) -> ObservedUpdate:
        """The update, which the opened run is replayed for. Raises InputError."""
        from stalefl.records.run_folder import RunFolder
        from stalefl.updates import observed

        path, client, round = cast("tuple[Path, int, int]", self)
        with watch.steps("replaying: round", round) as advance:
            return observed.from_run(run, client, round, RunFolder(path).read_rounds(), advance)


def named(options: NamedTuple) -> dict[str, Any]:
    """Options by their names on the command line: ``--client-data`` for ``client_data``."""
    return {f"--{name.replace('_', '-')}": value for name, value in options._asdict().items()}


def check_source(
    of_run: Mapping[str, Any], of_files: Mapping[str, Any], beside_files: Mapping[str, Any], update_is: str
) -> None:
    """Raises InputError unless the options name one update, of a run or of files."""
    from stalefl.contracts import InputError

    if update_is not in ("delta", "weights"):
        raise InputError(f"--update-is {update_is}: not valid; valid: delta, weights")
    if of_run["--run"] is None and of_files["--base"] is None and of_files["--update"] is None:
        raise InputError("no update is named; valid: --run, --client and --round, or --base and --update")
    from_run = of_run["--run"] is not None
    foreign, needed = ({**of_files, **beside_files}, of_run) if from_run else (of_run, of_files)
    required = list(of_run) if from_run else ["--base", "--update"]
    if wrong := [name for name, value in foreign.items() if value is not None]:
        valid = ", ".join(required[1:]) if from_run else ", ".join([*required, *beside_files])
        raise InputError(f"{wrong[0]} does not go with {'--run' if from_run else 'files'}; valid: {valid}")
    if missing := [name for name in required if needed[name] is None]:
        raise InputError(f"{missing[0]} is missing; valid: {', '.join(required)}")


def files_experiment(
    settings: Sequence[str], flags: Mapping[str, Mapping[str, Any]], own_tables: Sequence[str]
) -> Experiment:
    """What the options say of an update of files: ``--set`` texts, and flags by table and key, None where not given.

    Raises InputError for a key that says nothing of one; those of the command's ``own_tables`` do.
    """
    from stalefl.config.loading import load_experiment
    from stalefl.contracts import InputError

    experiment = load_experiment(None, settings, given_only(flags))
    used = (*USED_WITH_FILES, *own_tables)
    given = [".".join(part.strip() for part in text.partition("=")[0].split(".")) for text in settings]
    for key in given:
        if key in UNUSED_WITH_FILES or not f"{key}.".startswith(tuple(f"{table}." for table in used)):
            valid = f"{', '.join(used)} (but {' and '.join(UNUSED_WITH_FILES)})"
            raise InputError(f"--set {key}: says nothing of an update of files, which one client made; valid: {valid}")
    if not any(key.startswith("training.") for key in [*given, *(f"{table}." for table in given_only(flags))]):
        logger.warning(
            "no --set training.KEY=VALUE: the client is taken to have run %s",
            program_in_words(experiment.training.model_dump()),
        )
    return experiment
