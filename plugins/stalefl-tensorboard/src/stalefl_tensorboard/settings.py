"""A run's settings as text and as hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

LEFT_OUT = ("audit", "observers")
"""Tables that say nothing of the run itself."""


def as_text(settings: Mapping[str, Any]) -> str:
    """The experiment file in Markdown."""
    return f"```toml\n{tomli_w.dumps(settings)}```"


def as_hyperparameters(settings: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """Every key by its full name, as "training.lr"; lists as text."""
    return dict(_flat({table: keys for table, keys in settings.items() if table not in LEFT_OUT}, ""))


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, bool | float | str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, bool | int | float | str) else str(list(value))
