"""All subcommands in one app, and what becomes of their errors: one line on stderr and an exit code."""

from __future__ import annotations

import logging
import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Annotated, Any

import typer
from typer.main import get_command

import stalefl
from stalefl.cli.common import GroupedCommand, named_key
from stalefl.cli.evaluate import evaluate_command
from stalefl.cli.interruption import INTERRUPTED
from stalefl.cli.invert import invert_command
from stalefl.cli.partition import partition_command
from stalefl.cli.plugins import plugins_app
from stalefl.cli.privacy_audit import privacy_audit_command
from stalefl.cli.report import report_command
from stalefl.cli.simulate import simulate_command
from stalefl.cli.sweep import sweep_command
from stalefl.config.explain import one_line
from stalefl.contracts import InputError

OK, FAILURE, BAD_INPUT = 0, 1, 2
NUMBER = re.compile(r"\bvalid (integer|number|float)\b")
"""What releases of typer say of a value that is no number."""
# Newer releases of typer carry their own copy of click, older ones depend on it: this is the base class of either.
ClickException: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(name="stalefl", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stalefl {stalefl.__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def stalefl_command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Federated learning with late clients: simulate staleness and repair stale updates.

    Example: stalefl simulate
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command("partition", cls=GroupedCommand)(partition_command)
app.command("simulate", cls=GroupedCommand)(simulate_command)
app.command("sweep", cls=GroupedCommand)(sweep_command)
app.command("evaluate", cls=GroupedCommand)(evaluate_command)
app.command("invert", cls=GroupedCommand)(invert_command)
app.command("privacy-audit", cls=GroupedCommand)(privacy_audit_command)
app.command("report", cls=GroupedCommand)(report_command)
app.add_typer(plugins_app, name="plugins")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of the process) and return its exit code."""
    try:
        code = get_command(app).main(args=arguments, prog_name="stalefl", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except InputError as error:
        return _fail(str(error), BAD_INPUT)
    except ClickException as error:
        return _fail(_usage_text(error, sys.argv[1:] if arguments is None else arguments), BAD_INPUT)
    except OSError as error:
        return _fail(f"{error.filename or 'files'}: {error.strerror or error}", BAD_INPUT)
    except Exception as error:
        return _fail(f"a bug in stalefl or a plugin: {type(error).__name__}: {error} (-v shows where)", FAILURE)
    return code if isinstance(code, int) else OK


def _fail(message: str, code: int) -> int:
    if logging.getLogger(stalefl.__name__).isEnabledFor(logging.DEBUG):
        traceback.print_exc()
    typer.echo(f"error: {one_line(message)}", err=True)
    return code


def _usage_text(error: Any, arguments: Sequence[str]) -> str:
    """What is wrong with the command line, what would be valid, and where help is."""
    context: Any = getattr(error, "ctx", None)
    parameter: Any = getattr(error, "param", None)
    # An option that lacks its value comes without a context.
    subcommand = [argument for argument in arguments[:1] if not argument.startswith("-")]
    command = context.command_path if context else " ".join(["stalefl", *subcommand])
    text = error.format_message()
    if key := named_key(getattr(parameter, "help", None) or ""):
        # An option takes one value also where the key may be a list.
        valid = key.type.partition(" or list of")[0]
        text = f"{_as_given(parameter.opts, arguments)}: not valid; valid: {valid}."
    elif parameter is not None and (kind := NUMBER.search(text)):
        text = f"{_as_given(parameter.opts, arguments)}: not valid; valid: {kind[1].replace('float', 'number')}."
    return f"{text} See: {command} --help"


def _as_given(names: Sequence[str], arguments: Sequence[str]) -> str:
    """The option ``names`` with the value that counts, the last: ``--rounds abc``."""
    split = (argument.split("=", 1) if argument.split("=")[0] in names else [argument] for argument in arguments)
    given = [pair for pair in pairwise(chain.from_iterable(split)) if pair[0] in names]
    return shlex.join(given[-1] if given else names[:1])
