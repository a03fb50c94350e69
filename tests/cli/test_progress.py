from __future__ import annotations

import io

import pytest
from rich.console import Console

from stalefl.cli import progress
from stalefl.cli.progress import Bars, Lines, Silent, announce, make_display, shares, steps


def record(round: int, accuracy: float | None = 0.5, affected: float | None = 0.25) -> dict[str, object]:
    return {"round": round, "accuracy": accuracy, "affected_class_accuracy": affected}


def terminal_like(screen: io.StringIO) -> Console:
    return Console(file=screen, width=160, force_terminal=True, color_system=None, _environ={"TERM": "xterm"})


def test_lines_come_each_tenth_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with make_display(Console(file=screen, width=160), ["a seed 0"], 20, (5,), quiet=False) as display:
        assert isinstance(display, Lines)
        for t in range(1, 21):
            now[0] += 2
            display.advance(0, record(t))
    lines = screen.getvalue().splitlines()
    assert lines[:3] == [
        "a seed 0: 20 rounds",
        "a seed 0: round 1/20, accuracy 0.500, class 5 0.250",
        "a seed 0: round 2/20, accuracy 0.500, class 5 0.250, 36 s left",
    ]
    assert len(lines) == 2 + 10
    assert lines[-1] == "a seed 0: round 20/20, accuracy 0.500, class 5 0.250, done"


def test_a_resumed_run_counts_only_its_own_rounds_for_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with make_display(Console(file=screen, width=160), ["a", "b"], 10, (5,), quiet=False) as display:
        now[0] = 100.0
        display.advance(0, record(8, accuracy=None))
        now[0] = 103.0
        display.advance(0, record(9, accuracy=None))
    # However long the start took: 1 round in 3 s, 1 more of this run and 10 of the other are 11 x 3 s.
    assert screen.getvalue().splitlines() == [
        "2 runs: 10 rounds",
        "a: round 8/10",
        "a: round 9/10, 3 s left, all runs 33 s left",
    ]


def test_every_run_has_a_line_when_it_is_first_heard_of() -> None:
    screen = io.StringIO()
    with make_display(Console(file=screen, width=160), ["a", "b"], 100, (5,), quiet=False) as display:
        for run, t in ((0, 1), (0, 2), (1, 14), (0, 3), (1, 15)):
            display.advance(run, record(t, accuracy=None))
    assert [line.partition(",")[0] for line in screen.getvalue().splitlines()] == [
        "2 runs: 100 rounds",
        "a: round 1/100",
        "b: round 14/100",
    ]


@pytest.mark.parametrize(("terminal", "spinner"), [(False, True), (True, False)])
def test_a_start_is_announced_in_a_line(terminal: bool, spinner: bool) -> None:
    screen = io.StringIO()
    with announce(terminal_like(screen) if terminal else Console(file=screen), "reading digits", spinner):
        assert screen.getvalue() == "reading digits ...\n"


def test_a_start_is_announced_by_a_spinner_that_leaves_nothing_behind() -> None:
    screen = io.StringIO()
    with announce(terminal_like(screen), "reading digits"):
        pass
    assert "reading digits ..." in screen.getvalue()
    erase_line = "\x1b[2K"
    assert screen.getvalue().endswith(erase_line)


def test_bars_show_each_run_and_all_of_them() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=160, force_terminal=True, color_system=None)
    with make_display(console, ["a", "b"], 2, (5,), quiet=False) as display:
        assert isinstance(display, Bars)
        for run in (0, 1):
            for t in (1, 2):
                display.advance(run, record(t))
        assert display.progress.finished
    assert "all runs" in screen.getvalue()
    assert "4/4" in screen.getvalue()
    assert "class 5 0.250" in screen.getvalue()


def test_quiet_shows_nothing() -> None:
    screen = io.StringIO()
    with make_display(Console(file=screen), ["a"], 2, (5,), quiet=True) as display:
        assert isinstance(display, Silent)
        display.advance(0, record(1))
    assert screen.getvalue() == ""


def test_what_was_done_before_the_first_report_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed task has half of it behind it, and its start-up took a minute."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with steps(Console(file=screen, width=160), "round", 100, quiet=False) as advance:
        for seconds, done in ((60, 50), (63, 51), (66, 52)):
            now[0] = seconds
            advance(done)
    assert screen.getvalue().splitlines() == ["round 51/100, 2 min 27 s left", "round 52/100, 2 min 24 s left"]


def test_steps_are_a_line_each_tenth_but_not_many_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with steps(Console(file=screen, width=160), "fitting: iteration", 40, quiet=False) as advance:
        for done in range(1, 41):
            now[0] += 0.25
            advance(done)
    assert screen.getvalue().splitlines() == [
        "fitting: iteration 9/40, 8 s left",
        "fitting: iteration 17/40, 6 s left",
        "fitting: iteration 25/40, 4 s left",
        "fitting: iteration 33/40, 2 s left",
        "fitting: iteration 40/40, done in 10 s",
    ]


def test_steps_are_reported_soon_then_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with steps(Console(file=screen, width=160), "fitting", 2000, quiet=False) as advance:
        for done in range(1, 300):
            now[0] += 1
            advance(done)
    said = [int(line.split()[1].partition("/")[0]) for line in screen.getvalue().splitlines()]
    # The 200th step is a tenth of all.
    assert said == [3, 5, 7, 9, 12, 16, 21, 28, 37, 49, 65, 87, 116, 155, 200, 267]


def test_steps_are_a_bar_on_a_terminal_and_nothing_when_quiet() -> None:
    screen = io.StringIO()
    with steps(terminal_like(screen), "fitting: iteration", 4, quiet=False) as advance:
        advance(4)
    assert "fitting: iteration" in screen.getvalue()
    assert "4/4" in screen.getvalue()
    silent = io.StringIO()
    with steps(terminal_like(silent), "fitting", 4, quiet=True) as advance:
        advance(4)
    assert silent.getvalue() == ""


def test_shares_are_told_with_the_time_left_once_there_is_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    with shares(Console(file=screen, width=160), "attacking:", quiet=False) as advance:
        for seconds, share in (
            (0, 0.0),
            (3, 0.0001),
            (6, 0.004),
            (20, 0.25),
            (21, 0.26),
            (30, 0.5),
            (50, 1.0),
            (51, 1.0),
        ):
            now[0] = 100.0 + seconds
            advance(share)
    assert screen.getvalue().splitlines() == [
        "attacking: 50%, 20 s left",
        "attacking: 100%, done in 50 s",
    ]


def test_shares_on_a_terminal_and_in_silence() -> None:
    screen, silent = io.StringIO(), io.StringIO()
    with shares(terminal_like(screen), "attacking:", quiet=False) as advance:
        advance(0.5)
    assert "attacking:" in screen.getvalue()
    assert "50%" in screen.getvalue()
    with shares(terminal_like(silent), "attacking:", quiet=True) as advance:
        advance(0.5)
    assert silent.getvalue() == ""
