"""What ``test_processes.py`` lets other processes do: a module of its own, which they can import by its bare name."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

Report = Callable[[Any], None]
ShouldStop = Callable[[], bool]


def square(task: int, report: Report, should_stop: ShouldStop) -> int:
    report(("begun", task))
    report(("done", task))
    return task * task


def square_unless_three(task: int, report: Report, should_stop: ShouldStop) -> int:
    if task == 3:
        raise ValueError("three")
    return task * task


def wait_to_be_stopped(task: int, report: Report, should_stop: ShouldStop) -> str:
    """The stop of a test reaches a worker through the parent: a minute is ample."""
    report("waiting")
    until = time.monotonic() + 60
    while not should_stop():
        assert time.monotonic() < until
        time.sleep(0.01)
    return "stopped"


def kill_itself(task: int, report: Report, should_stop: ShouldStop) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def log(task: int, report: Report, should_stop: ShouldStop) -> None:
    logging.getLogger("stalefl.some.module").warning("task %d is late", task)
    logging.getLogger("stalefl.some.module").info("a detail")
    logging.getLogger("stalefl.progress").info("half of it is done")
