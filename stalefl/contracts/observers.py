"""What is told of a run as it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from stalefl.contracts.base import AnyOptions, Options, State
from stalefl.contracts.data import InputSpec

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Watched:
    """The run that an observer is told of."""

    folder: Path
    """The run's folder; what an observer writes goes into a folder of its own below it."""
    settings: Mapping[str, Any]
    """The experiment, table by table, as the run's config.toml has it: one method, one seed."""
    input_spec: InputSpec
    records: Sequence[Mapping[str, Any]]
    """The rounds that are done, as rounds.jsonl has them: those before a resumed run goes on, else none."""


class Observer:
    """Is told of a run as it goes on, and writes of it what it likes; the run is the same with and without it. Register
    the class with the hook ``stalefl_observers``. One object watches one run, in the process that does it.
    """

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def begin(self, watched: Watched) -> None:
        """Called before the first round, or before the one that a resumed run goes on with. Rounds after those of
        ``watched.records`` may have been observed before the run was stopped: they come again. Default: nothing."""

    def observe(self, record: Mapping[str, Any], method_state: State) -> None:
        """Called after every round with its line of rounds.jsonl and what the method remembers. Default: nothing."""

    def end(self, result: Mapping[str, Any] | None) -> None:
        """Called last, with result.json; None if the run was stopped or has failed. Default: nothing."""
