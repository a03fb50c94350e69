"""The observers of a run, told together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from stalefl.contracts import Observer, State, Watched


class ObserverGroup:
    """All observers of one run. ``result`` is what they are told at its end: None unless the run has finished."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self.result: dict[str, Any] | None = None

    def observe(self, record: Mapping[str, Any], method_state: State) -> None:
        """A round is done."""
        for observer in self._observers:
            observer.observe(record, method_state)

    def end(self, observer: Observer) -> None:
        observer.end(self.result)


@contextmanager
def observer_group(observers: Sequence[Observer], watched: Watched) -> Iterator[ObserverGroup]:
    """Inside, every observer has been told that the run begins. Afterwards every such observer is told that the run
    has ended, however it did."""
    group = ObserverGroup(observers)
    with ExitStack() as ends:
        for observer in observers:
            observer.begin(watched)
            ends.callback(group.end, observer)
        yield group
