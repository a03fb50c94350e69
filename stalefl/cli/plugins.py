"""``stalefl plugins``: what is installed, its options, whether it keeps its promises; a package to start from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stalefl.cli import options as opt
from stalefl.cli.common import console, print_json, set_up_logging
from stalefl.data.place import data_context

if TYPE_CHECKING:
    from rich.table import Table

    from stalefl.registry import Description, Registry
    from stalefl.testing.packages import CheckedOffer

plugins_app = typer.Typer(rich_markup_mode=None)
Kind = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help="Only one kind: dataset, model, method, attack or observer."),
]
CHECK_FAILED = 1


@plugins_app.callback(invoke_without_command=True)
def plugins_command(
    context: typer.Context,
    kind: Kind = None,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """List the data sets, models, methods, attacks and observers that are installed.

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


@plugins_app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set, model, method, attack or observer.")],
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
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
        if record.kind == "model":
            _print_parameters(record.name)


@plugins_app.command("check")
def check_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An installed package, stalefl itself, or one plugin by its name.")
    ],
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="Check with this option, those that have it; PLUGIN.KEY=VALUE: that plugin alone. May be repeated.",
        ),
    ] = None,
    data_dir: opt.DataDirOption = None,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Check plugins against what stalefl relies on: pure steps, plain state, named randomness, shapes, options.

    Exit code 1 if a check fails. Notes say what could not be checked, such as data that are not on disk.

    Example: stalefl plugins check inversion --option iterations=10
    """
    from stalefl.testing.packages import check_installed

    set_up_logging(quiet, verbose)
    screen = console(stderr=True)
    with screen.status("checking") as status:

        def show(what: str) -> None:
            if not quiet:
                status.update(f"checking {what}")

        context = data_context(data_dir, download=False)
        checked = list(check_installed(name, _options(options or []), context, show))
    if as_json:
        print_json(_checked_document(name, checked))
    else:
        _print_checked(checked)
    if any(finding.status == "failed" for each in checked for finding in each.findings):
        raise typer.Exit(CHECK_FAILED)


@plugins_app.command("new")
def new_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the package is written; new or empty.")],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the plugin is called, as my-method.",
            show_default="the folder's name, without a leading stalefl-",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="What it is: method, model, dataset, attack or observer.", show_default="method"
        ),
    ] = "method",
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Write a package with a working plugin, its tests and a README, to install and to change.

    Example: stalefl plugins new stalefl-mine --name mine --kind method
    """
    from stalefl.scaffold import write_package

    set_up_logging(quiet, verbose)
    package = write_package(folder, name, kind)
    if as_json:
        files = [path.relative_to(folder).as_posix() for path in package.files]
        print_json({"folder": folder, "kind": kind, "name": package.name, "package": package.package, "files": files})
    elif not quiet:
        console().print(package.next_steps, soft_wrap=True)


def _options(given: Sequence[str]) -> dict[str, Any]:
    from stalefl.config.loading import toml_value
    from stalefl.contracts import InputError

    options = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (equals and key.strip()):
            raise InputError(f"--option {text}: valid: --option KEY=VALUE, as --option iterations=10")
        options[key.strip()] = toml_value(value.strip())
    return options


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
    for each in record.options:
        table.add_row(each.name, each.type, each.default, each.description)
    screen.print(table)


def _print_parameters(model: str) -> None:
    """What a user who brings updates of an own system has to know."""
    from stalefl.contracts import InputError
    from stalefl.registry import load_registry
    from stalefl.testing.models import example_parameters

    try:
        shapes, spec = example_parameters(type(load_registry().create("model", model, {})))
    except InputError:  # a model that needs options, or inputs of its own
        return
    listed = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    console().print(
        "  parameters, in the order in which files without names hold them (shapes for inputs "
        f"{list(spec.shape)} and {spec.classes} classes):\n  {listed}\n",
        soft_wrap=True,
        markup=False,
    )


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("kind", "name", "option"))
    return table


def _checked_document(name: str, checked: Sequence[CheckedOffer]) -> dict[str, object]:
    from dataclasses import asdict

    return {"checked": name, "passed": not _count(checked, "failed"), "plugins": [asdict(each) for each in checked]}


def _print_checked(checked: Sequence[CheckedOffer]) -> None:
    table = _table("kind", "name", "check", "result", "why")
    for each in checked:
        for place, finding in enumerate(each.findings):
            head = ("", "") if place else (each.kind, each.name)
            table.add_row(*head, finding.check, finding.status, finding.text)
        table.add_section()
    screen = console()
    screen.print(table)
    counts = ", ".join(f"{_count(checked, status)} {status}" for status in ("passed", "failed"))
    screen.print(f"{counts}, {_count(checked, 'note')} with a note")


def _count(checked: Sequence[CheckedOffer], status: str) -> int:
    return sum(finding.status == status for each in checked for finding in each.findings)
