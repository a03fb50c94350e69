"""Options that several commands take, each declared once: ``quiet: opt.QuietOption = False``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stalefl.data.place import DATA_VARIABLE

EXPERIMENT, OUTPUT, MACHINE = "Experiment", "Output", "Machine"
"""Headings that options stand under in the help of a command."""


def new_folder(help: str) -> Any:
    """The declaration of ``--out`` for a command that writes a folder."""
    return typer.Option(help=help, show_default="a new one below runs/", rich_help_panel=OUTPUT)


DatasetOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Data set, as data.dataset.", rich_help_panel=EXPERIMENT)
]
ModelOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Model, as model.name.", rich_help_panel=EXPERIMENT)
]
SeedOption = Annotated[
    int | None, typer.Option(help="Root of every random draw, as run.seed.", rich_help_panel=EXPERIMENT)
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Override any key of the experiment: TABLE.KEY=VALUE. May be repeated.",
        rich_help_panel=EXPERIMENT,
    ),
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The experiment file's tables [scale.NAME] above its others, as small for a laptop.",
        show_default="the file as it is",
        rich_help_panel=EXPERIMENT,
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        help="Runs at the same time, as run.jobs; 0 = as many as cores and memory allow.", rich_help_panel=MACHINE
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where data lie.",
        show_default=f"${DATA_VARIABLE}, else the user's cache",
        rich_help_panel=MACHINE,
    ),
]
DownloadOption = Annotated[
    bool, typer.Option("--download", help="Allow data to be downloaded.", rich_help_panel=MACHINE)
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps, as run.device.", rich_help_panel=MACHINE
    ),
]
FindingsOption = Annotated[Path | None, new_folder("Folder for what is found.")]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.", rich_help_panel=OUTPUT),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress and no warnings.", rich_help_panel=OUTPUT)
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log what is done; show where an error arose.", rich_help_panel=OUTPUT)
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is already there.", rich_help_panel=OUTPUT)]
