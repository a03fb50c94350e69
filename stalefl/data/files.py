"""Listing the files of a data folder: without hidden ones, without endless loops of links, regular ones only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stalefl.contracts import InputError

HIDDEN = (
    *("__macosx", "__pycache__", "@eadir", "@recycle", "#recycle", "$recycle.bin", "lost+found"),
    *("system volume information", "thumbs.db", "desktop.ini", "icon\r", "ehthumbs.db"),
)
"""What systems and programs put into folders, in small letters; so are all names that begin with a full stop."""


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in HIDDEN


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder`` that are not hidden, by name."""
    return [path for path in _entries(folder) if path.is_dir()]


def files_below(folder: Path) -> Iterator[Path]:
    """All files in ``folder`` and below that are not hidden, folder by folder, by name.

    Raises InputError that names what is no regular file (a pipe or a device, which could be read for ever), or a link
    to a folder that lies around it or is read already.
    """
    seen: set[str] = set()
    found = [(str(root), sorted(files)) for root, files in _walk(folder, seen)]
    for root, names in sorted(found):
        for name in names:
            yield Path(root) / name


def _walk(folder: Path, seen: set[str]) -> Iterator[tuple[Path, list[str]]]:
    real = os.path.realpath(folder)
    if real in seen:
        raise InputError(f"{folder} is a link to a folder that is read already; valid: every folder once")
    seen.add(real)
    files, folders = [], []
    for path in _entries(folder):
        if path.is_dir():
            folders.append(path)
        elif path.is_file():
            files.append(path.name)
        elif path.is_symlink():
            raise InputError(f"{path} is a link to nothing; valid: files")
        else:
            raise InputError(f"{path} is no regular file; valid: no pipes and devices among the data")
    yield folder, files
    for each in folders:
        yield from _walk(each, seen)


def _entries(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}") from error
    return [folder / name for name in names if not is_hidden(name)]
