"""``stalefl report``: one page for runs, comparisons or sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stalefl.cli import options as opt
from stalefl.cli.watch import Watch

PAGE = "report.html"


def report_command(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs, comparisons or sweeps.", metavar="RUN...", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page.", show_default="report.html in the folder, if it is one", rich_help_panel=opt.OUTPUT
        ),
    ] = None,
    force: opt.ForceOption = False,
    json_output: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Write one page about runs: which method is best where, by how much, surely or not, and at what cost.

    Below stand results, curves, delays, late updates and settings. The page needs no other file and no network. Runs of
    the same settings stand together, one line per method, seeds averaged; what differs between the others is named.

    Example: stalefl report runs/late --out report.html
    """
    from stalefl.cli.common import console, print_json, set_up_logging
    from stalefl.contracts import InputError

    set_up_logging(quiet, verbose)
    own_place = out is None and len(runs) == 1
    page = out or (runs[0] / PAGE if own_place else Path(PAGE))
    if page.exists() and not force and not own_place:
        raise InputError(f"{page} exists; give another name, or --force to overwrite it")
    with Watch(quiet).reading(", ".join(map(str, runs))):
        from stalefl.records.run_groups import read_run_groups
        from stalefl.report.page.overview import write_overview

        stored = read_run_groups(runs)
        write_overview(stored, page)
    if json_output:
        folders = [str(run.folder.path) for run in stored.runs]
        print_json({"schema": 1, "page": str(page), "settings": len(stored.groups), "runs": folders})
    elif not quiet:
        console().print(f"page: {page} ({len(stored.runs)} runs)", soft_wrap=True)
