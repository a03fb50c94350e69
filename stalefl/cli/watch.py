"""How a command shows what takes a while: nothing if quiet, else bars and spinners on a terminal, or lines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple


class Watch(NamedTuple):
    """Progress on stderr. Light at import: rich comes when something is shown."""

    quiet: bool
    spinner: bool = True

    def reading(self, what: object) -> AbstractContextManager[object]:
        from stalefl.cli.common import console
        from stalefl.cli.progress import announce

        return nullcontext() if self.quiet else announce(console(stderr=True), f"reading {what}", self.spinner)

    def steps(self, text: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        from stalefl.cli.common import console
        from stalefl.cli.progress import steps

        return steps(console(stderr=True), text, total, self.quiet)

    def shares(self, text: str) -> AbstractContextManager[Callable[[float], None]]:
        from stalefl.cli.common import console
        from stalefl.cli.progress import shares

        return shares(console(stderr=True), text, self.quiet)
