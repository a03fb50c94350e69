from __future__ import annotations

import signal

import pytest

from stalefl.cli.interruption import stop_on_interrupt
from stalefl.machine.processes import new_stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_asks_and_the_second_ends(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    stop = new_stop()
    with stop_on_interrupt(stop, "this round"):
        signal.raise_signal(number)
        assert stop.is_set()
        assert capsys.readouterr().err == "stopping after this round (Ctrl-C again: at once) ...\n"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_what_was_there_before_comes_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_interrupt(new_stop(), "this round"):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
