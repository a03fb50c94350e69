"""What ``invert`` and ``privacy-audit`` share: options that name an observed update, and how its reading is shown."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from stalefl.cli.common import given_only
from stalefl.formatting import program_in_words

if TYPE_CHECKING:
    from stalefl.config.schema import Experiment

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


@contextmanager
def stopped_by_hand(what_is_left: str) -> Iterator[None]:
    """Ctrl-C is answered by a line on stderr before it ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped; {what_is_left}", err=True)
        raise typer.Abort from None


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

    def shares(self, text: str) -> AbstractContextManager[Callable[[float], None]]:
        from stalefl.cli.common import console
        from stalefl.cli.progress import shares

        return shares(console(stderr=True), text, self.quiet)


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
