"""What this machine, or the part of it that a container or a cluster's job may use, has room for.

Control groups limit that part. Linux knows two versions of them: https://docs.kernel.org/admin-guide/cgroup-v2.html
and https://docs.kernel.org/admin-guide/cgroup-v1/. A limit of a group holds for all groups below it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
VERSION_2 = ""
"""The controller that the own group of version 2 is listed under."""


def cores() -> int:
    """The cores that this process may keep busy, at least 1: those it may run on, or the whole cores of its quota."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([usable, *_quotas_cores()]))


def free_bytes() -> int:
    """The memory that further processes may take without swapping or being killed."""
    return min([psutil.virtual_memory().available, *_left_in_groups_bytes()])


def own_bytes() -> int:
    """The memory that this process takes."""
    return int(psutil.Process().memory_info().rss)


# --- control groups -------------------------------------------------------------------------------------------------
# A group without a limit has "max" or -1 in a file, or no such file.


def _quotas_cores() -> Iterator[int]:
    for group in _own_groups(VERSION_2):
        with suppress(OSError, ValueError):
            quota, period = (int(value) for value in (group / "cpu.max").read_text().split())
            yield quota // period
    for group in _own_groups("cpu"):
        with suppress(OSError, ValueError):
            quota, period = (_number(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
            if quota > 0:
                yield quota // period


def _left_in_groups_bytes() -> Iterator[int]:
    """The memory that each group leaves this process. The kernel gives up first what a group holds of files."""
    for group in _own_groups(VERSION_2):
        with suppress(OSError, ValueError):
            left = _number(group / "memory.max") - _number(group / "memory.current")
            yield max(0, left + _of_files_bytes(group, "inactive_file"))
    for group in _own_groups("memory"):
        with suppress(OSError, ValueError):
            left = _number(group / "memory.limit_in_bytes") - _number(group / "memory.usage_in_bytes")
            yield max(0, left + _of_files_bytes(group, "total_inactive_file"))


def _own_groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of all groups above it: those of version 2, or those of a
    controller of version 1."""
    root = CONTROL_GROUPS / controller
    with suppress(OSError, ValueError):
        for line in OWN_GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                own = root / path.lstrip("/")
                yield from (group for group in (own, *own.parents) if group.is_relative_to(root))


def _number(file: Path) -> int:
    return int(file.read_text())


def _of_files_bytes(group: Path, key: str) -> int:
    lines = (line.split() for line in (group / "memory.stat").read_text().splitlines())
    return next((int(value) for name, value in lines if name == key), 0)
