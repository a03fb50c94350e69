"""What Ctrl-C does, and SIGTERM as schedulers send it: the first asks the tasks to stop, the second ends at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from stalefl.machine.processes import Stop

INTERRUPTED = 130


@contextmanager
def stop_on_interrupt(stop: Stop, after: str) -> Iterator[None]:
    """The first interrupt lets every task come to a good end and says so, stopping ``after`` what it names; the second
    raises KeyboardInterrupt."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        typer.echo(f"stopping after {after} (Ctrl-C again: at once) ...", err=True)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopped_by_hand(what_is_left: str) -> Iterator[None]:
    """Ctrl-C is answered by a line on stderr before it ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped; {what_is_left}", err=True)
        raise typer.Abort from None
