"""cli.md: every command and option, from the command-line app."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from docs.tools.markdown_page import page, table
from stalefl.cli.app import app
from stalefl.cli.common import grouped, named_key

EXAMPLE = re.compile(r"^Examples?:\s*(.+)", re.MULTILINE | re.DOTALL)


def commands(command: Any = None, path: str = "stalefl") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, subcommands after their group."""
    command = command or get_command(app)
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


def cli_page() -> str:
    intro = """Every command takes `--json` (one document on stdout), `-q` (silent) and `-v` (details, and where an
error arose). Progress and warnings go to stderr, results to stdout.

| exit code | meaning |
| --- | --- |
| 0 | success |
| 1 | a failure of stalefl or of a plugin, a failed run of `sweep`, or a failed check of `plugins check` |
| 2 | bad input; one line on stderr says what is wrong and what would be valid |
| 3 | a condition of `privacy-audit --fail-if` is met |
| 130 | stopped by Ctrl-C; `simulate`, `sweep` and `privacy-audit` also by SIGTERM |

`simulate`, `sweep` and `privacy-audit` save what is done when they are stopped, and go on with `--resume`. Other
commands keep nothing of what they had found.

"As TABLE.KEY" means that the option sets this key of the [experiment](experiment-file.md); the default beside it is the
key's own, and holds where neither the experiment file nor the run sets the key."""
    sections = [_command_section(path, command) for path, command in commands()]
    return page("Command line", intro, *sections)


def _command_section(path: str, command: Any) -> str:
    text = inspect.cleandoc(command.help or "")
    example = EXAMPLE.search(text)
    parts = [f"## `{path}`", EXAMPLE.sub("", text).strip()]
    if example:
        parts.append(f"```\n{inspect.cleandoc(example[1]).strip()}\n```")
    for heading, parameters in grouped(p for p in command.params if p.name != "help").items():
        parts.append(table([heading, "default", "description"], list(map(_parameter_row, parameters))))
    return "\n\n".join(parts)


def _parameter_row(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        names = parameter.metavar or parameter.name.upper()
    else:
        names = ", ".join([*sorted(parameter.opts, reverse=True), *parameter.secondary_opts])
    repeated = " May be repeated." if parameter.multiple and "repeat" not in (parameter.help or "") else ""
    return [f"`{names}`", _default(parameter), (parameter.help or "") + repeated]


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if key := named_key(parameter.help or ""):
        return f"`{key.default}`"
    return "off" if parameter.default is False and not parameter.is_eager else ""
