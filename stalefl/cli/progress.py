"""Progress of the runs of a simulation: bars on a terminal, plain lines elsewhere, with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from stalefl.formatting import class_words, duration

SECONDS_BETWEEN_LINES = 2
LEAST_SHARE = 0.005
"""Of a task, before its pace says how much time is left; less is shown as 0 %."""


def announce(console: Console, text: str, spinner: bool = True) -> AbstractContextManager[object]:
    """Say at once what takes a while: on a terminal a ``spinner`` until the context ends, else a line.

    A spinner hides what others write to stderr meanwhile, as the progress of a download.
    """
    if console.is_interactive and spinner:
        return console.status(f"{text} ...")
    console.print(f"{text} ...", soft_wrap=True)
    return nullcontext()


class Display(Protocol):
    """Shows how far each run is. Used as a context manager; ``advance`` is called after each round of a run."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def advance(self, run: int, record: dict[str, Any]) -> None: ...


def make_display(
    console: Console, labels: Sequence[str], rounds: int, affected_classes: Sequence[int], quiet: bool
) -> Display:
    if quiet:
        return Silent()
    if console.is_terminal:
        return Bars(console, labels, rounds, affected_classes)
    return Lines(console, labels, rounds, affected_classes)


class Silent:
    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, run: int, record: dict[str, Any]) -> None:
        pass


class Bars:
    """One bar for each run under way and one for all of them."""

    def __init__(self, console: Console, labels: Sequence[str], rounds: int, affected_classes: Sequence[int]) -> None:
        self.labels, self.rounds, self.affected_classes = labels, rounds, affected_classes
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            # Seconds over which the pace is measured; a round of a large model can take minutes.
            speed_estimate_period=600,
        )
        self.bars: dict[int, Any] = {}
        self.total = self.progress.add_task("all runs", total=rounds * len(labels), note="")

    def __enter__(self) -> Bars:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def advance(self, run: int, record: dict[str, Any]) -> None:
        if run not in self.bars:
            self.bars[run] = self.progress.add_task(self.labels[run], total=self.rounds, note="")
            # Rounds that a resumed run had behind it count as done.
            self.progress.advance(self.total, record["round"] - 1)
        self.progress.update(self.bars[run], completed=record["round"])
        if note := accuracy_note(record, self.affected_classes):
            self.progress.update(self.bars[run], note=note)
        self.progress.advance(self.total)
        if record["round"] == self.rounds:
            self.progress.update(self.bars[run], visible=len(self.labels) <= 8)


class Lines:
    """A line for the first round and for each tenth of a run, for logs and pipes."""

    def __init__(self, console: Console, labels: Sequence[str], rounds: int, affected_classes: Sequence[int]) -> None:
        self.console, self.labels, self.rounds, self.affected_classes = console, labels, rounds, affected_classes
        # Round and time of each run's first report: the pace leaves out the start-up before it.
        self.first: dict[int, tuple[int, float]] = {}
        self.done_rounds = 0

    def __enter__(self) -> Lines:
        runs = self.labels[0] if len(self.labels) == 1 else f"{len(self.labels)} runs"
        self.console.print(f"{runs}: {self.rounds} rounds", highlight=False, soft_wrap=True)
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def advance(self, run: int, record: dict[str, Any]) -> None:
        now, t, is_first = time.monotonic(), record["round"], run not in self.first
        first_round, first_time = self.first.setdefault(run, (t, now))
        self.done_rounds += 1
        if t % max(1, self.rounds // 10) and t != self.rounds and not is_first:
            return
        parts = [f"{self.labels[run]}: round {t}/{self.rounds}", accuracy_note(record, self.affected_classes)]
        if t == self.rounds:
            parts.append("done")
        elif t > first_round:
            parts.append(f"{duration((now - first_time) / (t - first_round) * (self.rounds - t))} left")
        if len(self.labels) > 1 and (left := self._seconds_left(now)) is not None:
            parts.append(f"all runs {duration(left)} left")
        self.console.print(", ".join(filter(None, parts)), highlight=False, soft_wrap=True)

    def _seconds_left(self, now: float) -> float | None:
        """Of all runs, at the pace since the first report; None before there is a pace."""
        timed_rounds = self.done_rounds - len(self.first)
        if not timed_rounds:
            return None
        skipped = sum(first_round - 1 for first_round, _ in self.first.values())
        ahead = self.rounds * len(self.labels) - skipped - self.done_rounds
        began = min(first_time for _, first_time in self.first.values())
        return (now - began) / timed_rounds * ahead


@contextmanager
def steps(console: Console, text: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Shows how far one task of ``total`` steps is; gives a function to be told how many are done."""
    if quiet:
        yield lambda done: None
    elif console.is_terminal:
        with _bar(console, MofNCompleteColumn()) as progress:
            task = progress.add_task(text, total=total)
            yield lambda done: progress.update(task, completed=done)
    else:
        tell = _lines(console, text)
        yield lambda done: tell(done / total, f"{done}/{total}", done % max(1, total // 10) == 0)


@contextmanager
def shares(console: Console, text: str, quiet: bool) -> Iterator[Callable[[float], None]]:
    """The same for a task without steps; gives a function to be told which share of it, from 0 to 1, is done."""
    if quiet:
        yield lambda share: None
    elif console.is_terminal:
        with _bar(console, TaskProgressColumn()) as progress:
            task = progress.add_task(text, total=1.0)
            yield lambda share: progress.update(task, completed=share)
    else:
        tell = _lines(console, text)
        yield lambda share: tell(share if share >= LEAST_SHARE else 0.0, f"{share:.0%}", False)


def _bar(console: Console, how_much: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), how_much, TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, speed_estimate_period=600)


def _lines(console: Console, text: str) -> Callable[[float, str, bool], None]:
    """A line every few seconds at first, then ever more rarely, yet at milestones; told the share done, how to say it,
    and whether this is a milestone. The pace is that since the first share was done, which takes the start-up as well,
    or all that a resumed task had done before."""
    began = said = time.monotonic()
    first: tuple[float, float] | None = None
    ended = False

    def advance(share: float, how_much: str, milestone: bool) -> None:
        nonlocal first, said, ended
        now = time.monotonic()
        if first is None and share > 0:
            first, said = (share, now), now
        under_way = now - first[1] if first else 0.0
        wait = SECONDS_BETWEEN_LINES if milestone else max(SECONDS_BETWEEN_LINES, under_way / 4)
        if ended:
            return
        if share >= 1:
            left, ended = f"done in {duration(now - began)}", True
        elif first and share > first[0] and now - said >= wait:
            left = f"{duration(under_way / (share - first[0]) * (1 - share))} left"
        else:
            return
        said = now
        console.print(f"{text} {how_much}, {left}", highlight=False, soft_wrap=True)

    return advance


def accuracy_note(record: dict[str, Any], affected_classes: Sequence[int]) -> str:
    if record["accuracy"] is None:
        return ""
    affected = record["affected_class_accuracy"]
    late = "" if affected is None else f", {class_words(affected_classes)} {affected:.3f}"
    return f"accuracy {record['accuracy']:.3f}{late}"
