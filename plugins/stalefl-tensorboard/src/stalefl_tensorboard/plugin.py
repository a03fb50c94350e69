"""The name that the package offers. TensorBoard is imported only where a run is observed."""

from __future__ import annotations

from stalefl.contracts import Entry
from stalefl.hookspecs import hookimpl


@hookimpl
def stalefl_observers() -> list[Entry]:
    return [Entry("tensorboard", "stalefl_tensorboard.observer:TensorBoard")]
