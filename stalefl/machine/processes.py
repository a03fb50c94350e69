"""Independent tasks, one after another or side by side in processes of their own, stopped together.

What a task does never depends on how many there are at a time: each draws from generators named by itself. What tasks
log in processes of their own is logged here.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from logging.handlers import QueueHandler
from queue import Empty
from typing import Any, Protocol, TypeVar

from stalefl.contracts import PROGRESS
from stalefl.machine.capacity import cores, free_bytes, own_bytes
from stalefl.machine.devices import resolve_device

LOGGERS = ("stalefl", PROGRESS)
"""Those whose levels a user's wish sets; the others are below them."""

LEAST_BYTES = 2**30
"""A run of the smallest model takes 0.8 to 0.9 GB, nearly all of it libraries."""

T = TypeVar("T")


class Stop(Protocol):
    """A flag that asks the tasks under way to end at their next chance."""

    def is_set(self) -> bool: ...
    def set(self) -> None: ...


class ProcessKilled(RuntimeError):
    """The process of a task is gone, killed for memory perhaps."""


Work = Callable[[T, Callable[[Any], None], Callable[[], bool]], Any]
"""What is done for a task: called with it, with what reports its progress, and with what tells whether to stop.
In other processes it must be a function of a module, or a partial of one."""

OnEvent = Callable[[int, Any], None]
"""Called with a task's index and what it reported."""


def new_stop() -> Stop:
    return threading.Event()


def fitting_jobs(device: str, threads: int, tasks: int) -> int:
    """How many of the tasks, of so many threads each, fill the machine: one on a GPU, which they would share; else what
    cores and memory allow. A task is taken to need ``LEAST_BYTES`` or, if that is more, what this process has needed to
    prepare it. Where memory is what limits them that is told."""
    if resolve_device(device).type != "cpu":
        return 1
    by_cores = min(tasks, max(1, cores() // threads))
    needed, free = max(LEAST_BYTES, own_bytes()), free_bytes()
    by_memory = max(1, free // needed)
    if by_memory < by_cores:
        logging.getLogger(PROGRESS).info(
            "memory is free for %d of %d runs at a time: %.1f GB, each may need %.1f (--jobs for another number)",
            by_memory,
            by_cores,
            free / 1e9,
            needed / 1e9,
        )
    return min(by_cores, by_memory)


def run_all(work: Work[T], tasks: Sequence[T], jobs: int, on_event: OnEvent, stop: Stop) -> list[Any]:
    """Results in the order of ``tasks``, at most ``jobs`` at a time; None for those that ``stop`` left undone.

    Raises ProcessKilled if a process disappears, and what a task raised.
    """
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        return [
            None if stop.is_set() else work(task, partial(on_event, index), stop.is_set)
            for index, task in enumerate(tasks)
        ]
    return _run_in_processes(work, tasks, jobs, on_event, stop)


def _run_in_processes(work: Work[T], tasks: Sequence[T], jobs: int, on_event: OnEvent, stop: Stop) -> list[Any]:
    # Not fork: torch's thread pools do not survive it.
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        events, stop_workers = manager.Queue(), manager.Event()
        levels = {name: logging.getLogger(name).getEffectiveLevel() for name in LOGGERS}
        start = partial(_start_worker, events, levels)
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=start) as pool:
            futures: list[Future[Any]] = [
                pool.submit(_work, work, index, task, events, stop_workers) for index, task in enumerate(tasks)
            ]
            pending = set(futures)
            while pending:
                if stop.is_set():
                    stop_workers.set()
                done, pending = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
                _drain(events, on_event)
                if any(future.exception() for future in done):
                    stop_workers.set()
            _drain(events, on_event)
            try:
                return [future.result() for future in futures]
            except BrokenProcessPool as error:
                raise ProcessKilled("the process of a run was killed, for memory perhaps; --resume goes on") from error


def _work(work: Work[T], index: int, task: T, events: Any, stop: Any) -> Any:
    parent = multiprocessing.parent_process()

    def should_stop() -> bool:
        # A worker whose parent was killed would go on unseen, and in the way of a resumed run.
        return parent is None or not parent.is_alive() or stop.is_set()

    def report(event: Any) -> None:
        with suppress(ConnectionError, EOFError):
            events.put((index, event))

    return None if should_stop() else work(task, report, should_stop)


def _drain(events: Any, on_event: OnEvent) -> None:
    try:
        while True:
            event = events.get_nowait()
            if isinstance(event, logging.LogRecord):
                logging.getLogger(event.name).handle(event)
            else:
                on_event(*event)
    except Empty:
        pass


def _start_worker(events: Any, levels: Mapping[str, int]) -> None:
    """Ctrl-C reaches every process of the terminal; only the parent answers it, by asking the workers to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger(LOGGERS[0]).handlers = [QueueHandler(events)]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
