"""Whether what a file holds fits into memory, asked before it is read."""

from __future__ import annotations

from stalefl.contracts import InputError
from stalefl.machine.capacity import free_bytes


def check_memory(needed_bytes: int, what: str, advice: str) -> None:
    """Raises InputError if ``what`` needs more memory than is free; ``advice`` says what would be valid."""
    if needed_bytes > (free := free_bytes()):
        gib = 2**30
        raise InputError(f"{what}: {needed_bytes / gib:.1f} GiB, {free / gib:.1f} GiB of memory are free; {advice}")
