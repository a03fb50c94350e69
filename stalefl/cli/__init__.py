"""The command line: one file per subcommand, which parses, calls and prints; options.py has what they share."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit code: 0, 2 on bad input, 1 on a failure of ours, 130 on Ctrl-C."""
    from stalefl.cli.app import run

    return run(arguments)
