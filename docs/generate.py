"""Write the reference pages that follow from the code: ``python docs/generate.py`` (``make docs``).

cli.md comes from the command-line app, experiment-file.md from the schema, plugins.md from the hooks and the
built-ins; the tables in results.md from the records in docs/records. tests/test_docs.py fails when a page is out of
date.

``python docs/generate.py keep FOLDER NAME`` copies the records of a run, comparison, sweep or audit to
docs/records/NAME (kept.py).
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from kept import keep
from result_tables import results_page
from typer.main import get_command

from stalefl import hookspecs
from stalefl.cli.app import app
from stalefl.cli.common import grouped, named_key
from stalefl.config.explain import Key, keys_of
from stalefl.config.schema import Experiment
from stalefl.registry import BUILTINS, KINDS, Description, Plugin, Registry
from stalefl.testing.findings import title
from stalefl.testing.packages import CHECKS

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; change the code and run `make docs`. -->"
TITLES = {"dataset": "data sets", "model": "models", "method": "methods", "attack": "attacks", "observer": "observers"}
EXAMPLE = re.compile(r"^Examples?:\s*(.+)", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """File names in docs/ and what they must hold."""
    return {
        "cli.md": cli_page(),
        "experiment-file.md": experiment_page(),
        "plugins.md": plugins_page(),
        "results.md": results_page(),
    }


# --- the command line -----------------------------------------------------------------------------------------------


def commands(command: Any = None, path: str = "stalefl") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, subcommands after their group."""
    command = command or get_command(app)
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


def cli_page() -> str:
    intro = """Exit codes: 0 on success, 2 on bad input (one line on stderr), 1 on a failure of stalefl's own or of a
check of `plugins check`, 130 after Ctrl-C. Progress and warnings go to stderr, results to stdout.

"As TABLE.KEY" means that the option sets this key of the [experiment](experiment-file.md); the default beside it is the
key's own, and holds where neither the experiment file nor the run sets the key."""
    sections = [_command_section(path, command) for path, command in commands()]
    return _page("Command line", intro, *sections)


def _command_section(path: str, command: Any) -> str:
    text = inspect.cleandoc(command.help or "")
    example = EXAMPLE.search(text)
    parts = [f"## `{path}`", EXAMPLE.sub("", text).strip()]
    if example:
        parts.append(f"```\n{inspect.cleandoc(example[1]).strip()}\n```")
    shown = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
    for heading, parameters in grouped(shown).items():
        parts.append(_table([heading, "default", "description"], list(map(_parameter_row, parameters))))
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


# --- the experiment file --------------------------------------------------------------------------------------------


def experiment_page() -> str:
    intro = """An experiment is a TOML file; every table and every key may be left out; unknown ones are errors.
`stalefl simulate FILE --set TABLE.KEY=VALUE` changes a key for one run. Order: defaults, base, file, scale, `--set`,
flags; the later wins. Where `--set` or a flag names another data set, model or method than the file, the file's options
of the former are left out.

A data set's, model's or method's own options (see [plugins.md](plugins.md)) go into `[data.options]`, `[model.options]`
and `[method.options]`. To compare methods, give a list of names and one table for each that needs options:

```toml
[method]
name = ["unweighted", "inversion"]

[method.options.inversion]
iterations = 50
```

A file may name another that it is based on, and hold changes under a name that `--scale NAME` asks for; those of its
base count as well:

```toml
base = "mnist-paper.toml"               # beside this file; its tables hold where this one has none

[run]
rounds = 600

[scale.small.run]                       # with --scale small
rounds = 150
```"""
    sections = [_table_section(name, field.annotation) for name, field in Experiment.model_fields.items()]
    return _page("Experiment file", intro, *sections)


def _table_section(name: str, model: Any) -> str:
    return f"## `[{name}]`\n\n" + _key_table("key", keys_of(model))


def _key_table(heading: str, keys: tuple[Key, ...]) -> str:
    rows = [[f"`{key.name}`", key.type, f"`{key.default}`", key.description] for key in keys]
    return _table([heading, "type and range", "default", "meaning"], rows)


# --- plugins --------------------------------------------------------------------------------------------------------


def plugins_page() -> str:
    intro = f"""Data sets, models, methods, attacks and observers are plugins, the built-in ones included. A package
offers its own by naming a module under the entry-point group `{hookspecs.PROJECT}` and implementing any of the hooks
there:

```toml
[project.entry-points.{hookspecs.PROJECT}]
my-plugin = "my_package.plugin"
```

`stalefl plugins` lists what is installed, `stalefl plugins show NAME` its options, `stalefl plugins check NAME` makes
the checks below, and `stalefl plugins new DIR` writes a package to start from ([methods](write-a-compensator.md),
[others](write-a-plugin.md)). `hf:NAME` is the plugin `hf` with
the option `source` set to NAME. A plugin that fails to import is reported and skipped; two plugins of one name are an
error."""
    hooks = "## Hooks\n\n" + "\n\n".join(_hook_section(hook) for hook in hooks_of())
    return _page("Plugins", intro, hooks, *map(_checks_section, KINDS), *_builtin_sections())


def hooks_of() -> list[Callable[..., Any]]:
    """Every hook of hookspecs.py."""
    marked = f"{hookspecs.PROJECT}_spec"
    return [function for function in vars(hookspecs).values() if hasattr(function, marked)]


def _hook_section(hook: Callable[..., Any]) -> str:
    signature = str(inspect.signature(hook)).replace("'", "")
    return f"### `{hook.__name__}{signature}`\n\n{inspect.getdoc(hook)}"


def _checks_section(kind: str) -> str:
    """What ``stalefl plugins check`` asks of a kind."""
    rows = [[title(check), " ".join(inspect.cleandoc(check.__doc__ or "").split())] for check in CHECKS[kind]]
    article = "an" if kind[0] in "aeiou" else "a"
    named = {"dataset": "data set"}.get(kind, kind)
    return f"## Checks of {article} {named}\n\n" + _table(["check", "holds if"], rows)


def _builtin_sections() -> Iterator[str]:
    # Not the installed plugins: the page must not depend on what else is on this machine.
    registry = Registry([Plugin(import_module(BUILTINS), "stalefl", "")])
    for kind in KINDS:
        records = [registry.describe(kind, name) for name in registry.names(kind)]
        if not records:  # observers come in packages of their own
            continue
        yield f"## Built-in {TITLES[kind]}\n\n" + "\n\n".join(map(_record_section, records))


def _record_section(record: Description) -> str:
    parts = [f"### `{record.name}`", record.summary]
    if record.paper:
        parts.append(f"Source: {record.paper}")
    if record.options:
        parts.append(_key_table("option", record.options))
    return "\n\n".join(parts)


# --- Markdown -------------------------------------------------------------------------------------------------------


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, *parts]) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["keep"]:
        keep(Path(sys.argv[2]), sys.argv[3])
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")
