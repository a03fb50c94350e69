"""What all kinds of plugins have in common: options, bad input, memory between rounds, how they are registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

PROGRESS = "stalefl.progress"
"""The logger whose infos a user sees without asking: how far a step is that takes minutes. Not more than a line every
few seconds, with the time left."""

State = Mapping[str, Any]
"""A method's memory between rounds: plain data only (dict, list, tuple, tensor, number, string, bool, None), so that
it can be written to a checkpoint and read back bit for bit. Keys of dicts are strings or integers (client ids)."""


class Options(BaseModel):
    """Base of every plugin's own options: unknown keys are errors, values are validated, instances are frozen.

    Give each field a default and a ``description``; both are shown by ``stalefl plugins show NAME``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


AnyOptions = Options
"""The same, for the plugin classes below, in whose bodies the name ``Options`` is their own schema."""


class InputError(ValueError):
    """Bad input from the user: one clear line that says what is wrong, where, and what would be valid (exit code 2)."""


@dataclass(frozen=True)
class Entry:
    """A name a plugin offers. ``target`` is the class, or ``"module:Class"`` to be imported when first used."""

    name: str
    target: type[Any] | str
