"""How keys, values and cells are called where people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stalefl.config.explain import as_toml
from stalefl.config.loading import (
    flat,
)
from stalefl.config.schema import Experiment

METHOD, OPTIONS = "method.name", "method.options"


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """``partition.alpha`` -> ``alpha``, where no other table has a key of that name; ``method.name`` -> ``method``."""
    last = [name for table in Experiment.model_fields.values() for name in table.annotation.model_fields]  # type: ignore[union-attr]
    options = [key.rpartition(".")[2] for key in keys if ".options." in key]
    known = {METHOD: "method", "model.name": "model", "data.dataset": "dataset"}
    return {key: known.get(key) or _short(key, [*last, *options]) for key in keys}


def _short(key: str, others: Sequence[str]) -> str:
    name = key.rpartition(".")[2]
    return key if others.count(name) > 1 else name


def value_text(value: Any) -> str:
    """A table, as of options, as "fedasync.alpha=0.6"; empty ones in it are left out."""
    if isinstance(value, Mapping) and (keys := flat(value)):
        return ", ".join(f"{key}={value_text(part)}" for key, part in keys.items())
    return value if isinstance(value, str) else as_toml(value)


def cell_label(values: Mapping[str, Any]) -> str:
    """As "rounds=10, method=inversion"."""
    names = short_names(list(values))
    return ", ".join(f"{names[key]}={value_text(value)}" for key, value in values.items())
