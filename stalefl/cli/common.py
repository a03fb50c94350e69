"""What subcommands share: options, logging and printing. Light at import: rich and pydantic come when they are used."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from stalefl.contracts import DataContext

DATA_VARIABLE = "STALEFL_DATA"

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help=f"Where data lie [default: ${DATA_VARIABLE}, else the user's cache]."
    ),
]
DownloadOption = Annotated[bool, typer.Option("--download", help="Allow data to be downloaded.")]
DeviceOption = Annotated[str | None, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no warnings.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done; show where an error arose.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is already there.")]


def data_context(data_dir: Path | None, download: bool) -> DataContext:
    """``--data-dir``, else $STALEFL_DATA, else the user's cache folder. Raises InputError if that is not a folder."""
    from platformdirs import user_cache_path

    from stalefl.contracts import DataContext, InputError

    folder = data_dir or Path(os.environ.get(DATA_VARIABLE) or user_cache_path("stalefl") / "data")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--data-dir {folder}: not a folder")
    return DataContext(folder, download)


def set_up_logging(quiet: bool = False, verbose: bool = False) -> None:
    """Warnings, or with ``verbose`` everything, go to stderr as single lines; with ``quiet`` errors only."""
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other.")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LowerCaseLevel("%(levelname)s: %(message)s"))
    logger = logging.getLogger("stalefl")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.WARNING)
    if quiet:
        warnings.simplefilter("ignore")


class _LowerCaseLevel(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
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
