"""The event file of a run: one, whole, without an event twice, however often the run was stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from stalefl.contracts import InputError

PATTERN = "events.out.tfevents.*"


class EventFile:
    """The events of a run in ``folder``. Those of its first ``done`` rounds that are there are kept; all later ones,
    and those before the first round (step 0), are not: they come again.

    A new file takes their place, as files of events can only be added to; a TensorBoard that is looking is told to
    forget what it has read. Raises InputError if the folder cannot be written.
    """

    def __init__(self, folder: Path, done: int) -> None:
        old = sorted(folder.glob(PATTERN))
        kept = [event for path in old for event in _events(path) if 1 <= event.step <= done]
        try:
            self._writer = EventFileWriter(str(folder))
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror}; valid: a place that can be written") from error
        start = SessionLog(status=SessionLog.START)
        for event in [Event(wall_time=time.time(), step=0, session_log=start), *kept]:
            self._writer.add_event(event)
        self._writer.flush()
        for path in old:
            path.unlink()
        self.rounds = {event.step for event in kept}
        """Those of which there are events."""

    def add(self, step: int, *summaries: Summary) -> None:
        """Summaries of a round; step 0 is before the first one. They are in the file when the call returns."""
        for summary in summaries:
            self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _events(path: Path) -> Iterator[Event]:
    """The summaries in a file, as far as it is whole."""
    for record in RawEventFileLoader(str(path)).Load():
        event = Event.FromString(record)
        if event.HasField("summary"):
            yield event
