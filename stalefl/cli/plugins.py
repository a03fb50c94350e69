"""``stalefl plugins``: what is installed and its options."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from stalefl.cli.common import JsonOption, QuietOption, VerboseOption, console, print_json, set_up_logging

if TYPE_CHECKING:
    from rich.table import Table

    from stalefl.registry import Description, Registry

app = typer.Typer(rich_markup_mode=None)
KindOption = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="Only one kind: dataset, model or method.")
]


@app.callback(invoke_without_command=True)
def plugins_command(
    context: typer.Context,
    kind: KindOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """List the data sets, models and methods that are installed.

    Example: stalefl plugins --kind method
    """
    if context.invoked_subcommand is not None:
        return
    from stalefl.registry import KINDS, load_registry

    set_up_logging(quiet, verbose)
    registry = load_registry()
    found = [record for each in (KINDS if kind is None else [kind]) for record in _described(registry, each)]
    if as_json:
        print_json([_as_document(record) for record in found])
    else:
        console().print(_overview(found))


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set, model or method.")],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show where a plugin comes from, its paper and its options.

    Example: stalefl plugins show inversion
    """
    from stalefl.registry import load_registry

    set_up_logging(quiet, verbose)
    found = _named(load_registry(), name)
    if as_json:
        print_json([_as_document(record) for record in found])
        return
    for record in found:
        _print_record(record)


def _described(registry: Registry, kind: str) -> Iterator[Description]:
    """Every plugin of ``kind``; one that cannot be imported is reported and left out."""
    from stalefl.contracts import InputError

    for name in registry.names(kind):
        try:
            yield registry.describe(kind, name)
        except InputError as error:
            logging.getLogger(__name__).warning("%s", error)


def _named(registry: Registry, name: str) -> list[Description]:
    """All plugins of that name, whatever their kind. Raises InputError if there is none."""
    from stalefl.config.explain import nearest
    from stalefl.contracts import InputError
    from stalefl.registry import KINDS

    plain = name.partition(":")[0]
    found = [registry.describe(kind, plain) for kind in KINDS if plain in registry.names(kind)]
    if not found:
        every_name = [known for kind in KINDS for known in registry.names(kind)]
        raise InputError(f'unknown plugin "{plain}"; {nearest(plain, every_name)}')
    return found


def _as_document(record: Description) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(record)


def _overview(found: Sequence[Description]) -> Table:
    table = _table("kind", "name", "package", "summary", "paper")
    for record in found:
        package = f"{record.package} {record.version}"
        table.add_row(record.kind, record.name, package, record.summary, record.paper)
    return table


def _print_record(record: Description) -> None:
    screen = console()
    screen.print(f"{record.name} ({record.kind})")
    for label, text in [
        ("package", f"{record.package} {record.version}"),
        ("summary", record.summary),
        ("paper", record.paper or "-"),
    ]:
        screen.print(f"  {label:8} {text}", soft_wrap=True)
    if not record.options:
        screen.print("  options  none\n")
        return
    table = _table("option", "type", "default", "description")
    for option in record.options:
        table.add_row(option.name, option.type, option.default, option.description)
    screen.print(table)


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("kind", "name", "option"))
    return table
