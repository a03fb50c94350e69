"""experiment-file.md: every table and key of an experiment, from the schema."""

from __future__ import annotations

from typing import Any

from docs.tools.markdown_page import key_table, page
from stalefl.config.explain import keys_of
from stalefl.config.schema import Experiment


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
    return page("Experiment file", intro, *sections)


def _table_section(name: str, model: Any) -> str:
    return f"## `[{name}]`\n\n" + key_table("key", keys_of(model))
