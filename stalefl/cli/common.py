"""What subcommands share: their help, logging and printing. Light at import: rich and pydantic come when used."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from rich.console import Console

    from stalefl.config.explain import Key


NAMED_KEY = re.compile(r"\bas ([a-z]+)\.([a-z_]+)")


class GroupedCommand(TyperCommand):
    """A command whose help has its options under the headings that they name.

    Typer itself does that only with rich, which takes longer to import than the help to print.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for heading, parameters in grouped(self.get_params(ctx)).items():
            with formatter.section(heading):
                formatter.write_dl([parameter.get_help_record(ctx) for parameter in parameters])


def grouped(parameters: Iterable[Any]) -> dict[str, list[Any]]:
    """Headings and the parameters below them, both in the order in which they first occur; without hidden ones."""
    groups: dict[str, list[Any]] = {}
    for parameter in parameters:
        if getattr(parameter, "hidden", False):
            continue
        argument = parameter.param_type_name == "argument"
        heading = "Arguments" if argument else getattr(parameter, "rich_help_panel", None) or "Options"
        groups.setdefault(heading, []).append(parameter)
    return groups


def named_key(text: str) -> Key | None:
    """The key of an experiment that an option sets, as its help says ("..., as run.rounds"); None if it names none."""
    from stalefl.config.explain import keys_of
    from stalefl.config.schema import Experiment

    found = NAMED_KEY.search(text)
    if not found:
        return None
    table: Any = Experiment.model_fields[found[1]].annotation
    return next(key for key in keys_of(table) if key.name == found[2])


def given_only(flags: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The flags that the user gave, by table and key."""
    given = {table: {k: v for k, v in keys.items() if v is not None} for table, keys in flags.items()}
    return {table: keys for table, keys in given.items() if keys}


def set_up_logging(quiet: bool = False, verbose: bool = False) -> None:
    """Warnings and what ``stalefl.progress`` tells of a step that takes long go to stderr as single lines, or with
    ``verbose`` everything; with ``quiet`` errors only."""
    from stalefl.contracts import PROGRESS

    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other.")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(levelname)s: %(message)s"))
    logger = logging.getLogger("stalefl")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger(PROGRESS).setLevel(logging.ERROR if quiet else logging.INFO)
    if quiet:
        warnings.simplefilter("ignore")


class _Line(logging.Formatter):
    """The level in lower case, and none before what is no news but progress."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        from stalefl.contracts import PROGRESS

        if record.name == PROGRESS:
            return record.message
        record.levelname = record.levelname.lower()
        return super().formatMessage(record)


def console(stderr: bool = False) -> Console:
    """Results go to stdout, progress to stderr. Square brackets and colons are printed as they are."""
    from rich.console import Console

    # Wide where it is not a terminal, so that a table in a file or a pipe keeps whole names.
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else 160
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout. NaN and infinities, which JSON has no words for, become null."""
    typer.echo(json.dumps(_finite(document), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
