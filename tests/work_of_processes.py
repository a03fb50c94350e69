"""What tests let other processes do: a module of its own, which they can import by its bare name."""

from __future__ import annotations

import logging
import os
import signal
import sys
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


def packages_after_run(task: Any, report: Report, should_stop: ShouldStop) -> set[str]:
    """The top-level packages that a process has loaded when it has done a run."""
    from stalefl.run.tasks import run_task

    assert run_task(task, report, should_stop)
    return {name.partition(".")[0] for name in sys.modules}
