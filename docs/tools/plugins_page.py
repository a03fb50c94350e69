"""plugins.md: every hook, what is checked of plugins, and the options of the built-in ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from docs.tools.markdown_page import key_table, page, table
from stalefl import hookspecs
from stalefl.registry import BUILTINS, KINDS, Description, Plugin, Registry
from stalefl.testing.findings import title
from stalefl.testing.packages import CHECKS

TITLES = {"dataset": "data sets", "model": "models", "method": "methods", "attack": "attacks", "observer": "observers"}


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
    return page("Plugins", intro, hooks, *map(_checks_section, KINDS), *_builtin_sections())


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
    return f"## Checks of {article} {named}\n\n" + table(["check", "holds if"], rows)


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
        parts.append(key_table("option", record.options))
    return "\n\n".join(parts)
