"""What this machine, or the part of it that a container or a cluster's job may use, has room for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_bytes() -> int:
    """The memory that further processes may take without swapping or being killed."""
    return min([psutil.virtual_memory().available, *_left_in_groups()])


def own_bytes() -> int:
    """The memory that this process takes."""
    return int(psutil.Process().memory_info().rss)


def _left_in_groups() -> Iterator[int]:
    """What the control groups (version 2) of this process leave it, where they have a limit. What they hold of files,
    the kernel gives up first."""
    with suppress(OSError):
        own = [line.removeprefix("0::/") for line in OWN_GROUPS.read_text().splitlines() if line.startswith("0::/")]
        for path in own:
            place = CONTROL_GROUPS / path
            for folder in (place, *place.parents):
                if folder.is_relative_to(CONTROL_GROUPS):
                    with suppress(OSError, ValueError):  # the root has no such files; "max" is no limit
                        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
                        yield max(0, limit - used + _of_files(folder / "memory.stat"))


def _of_files(stat: Path) -> int:
    lines = (line.split() for line in stat.read_text().splitlines())
    return next((int(value) for name, value in lines if name == "inactive_file"), 0)
