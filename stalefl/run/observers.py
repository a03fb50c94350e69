"""The observers of a run, told together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from stalefl.contracts import Observer, State, Watched


class Audience:
    """Those who are told of a run; ``result`` is what they are told in the end."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self.result: dict[str, Any] | None = None

    def tell(self, record: Mapping[str, Any], method_state: State) -> None:
        """A round is done."""
        for observer in self._observers:
            observer.observe(record, method_state)

    def end(self, observer: Observer) -> None:
        observer.end(self.result)


@contextmanager
def audience(observers: Sequence[Observer], watched: Watched) -> Iterator[Audience]:
    """Inside, the observers have been told that a run begins; afterwards each that has is told that it ended, however
    it did."""
    told = Audience(observers)
    with ExitStack() as ends:
        for observer in observers:
            observer.begin(watched)
            ends.callback(told.end, observer)
        yield told
