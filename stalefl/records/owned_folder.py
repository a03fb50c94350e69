"""A folder of which stalefl owns some files: it is made, refused, replaced and locked by one rule for all kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout
from typing_extensions import Self

from stalefl.contracts import InputError
from stalefl.storage import temporary_path

LOCK = ".lock"
REPLACE, RESUME = "--force to replace the {what} in it", "--resume to go on with it"
"""Ways out where a folder is taken."""


class OwnedFolder:
    """One kind of folder. A subclass says what it is called and which files are its own; all others stay untouched."""

    WHAT: ClassVar[str]
    """Name of the kind in messages, as "sweep"."""
    SIGNS: ClassVar[tuple[str, ...]]
    """Any of these files shows that a folder is of this kind, so that ``force`` may replace it."""
    FILES: ClassVar[tuple[str, ...]]
    PATTERNS: ClassVar[tuple[str, ...]] = ()
    """Patterns of further files."""
    TREES: ClassVar[tuple[str, ...]] = ()
    """Folders in it that are its own with all that they hold."""
    WAYS: ClassVar[tuple[str, ...]] = (REPLACE,)
    """What the refusal of a folder names as valid beside a new folder."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def check_free(self, force: bool = False) -> None:
        """Raises InputError if the folder is not empty; with ``force`` only if it is of another kind."""
        if file := next((place for place in (self.path, *self.path.parents) if place.is_file()), None):
            raise InputError(f"cannot write {self.path}: {file} is a file; valid: a new folder, or an empty one")
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        if not force:
            *others, last = (way.format(what=self.WHAT) for way in self.WAYS)
            valid = f"{', '.join(['a new folder', *others])}, or {last}"
            raise InputError(f"{self.path} exists and is not empty; valid: {valid}")
        if not self._shows_sign():
            raise InputError(
                f"{self.path} holds no {self.WHAT} of stalefl, so --force does not touch it; valid: a new folder"
            )

    def make(self, force: bool = False) -> Self:
        """Make the folder, or take an empty one; ``force`` removes the own files of one of this kind, no others.

        Raises InputError if the folder is not free, another process writes it, or it cannot be made.
        """
        try:
            self.check_free(force)
            if self._shows_sign():
                self.remove()
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error
        return self

    def _shows_sign(self) -> bool:
        return any((self.path / sign).is_file() for sign in self.SIGNS)

    def remove(self) -> None:
        """Remove the folder's own files. Raises InputError, before any is removed, if another process writes it."""
        with self.locked():
            pass
        self._remove_own()

    def _remove_own(self) -> None:
        remove_files(self.path, (*self.FILES, LOCK))
        for pattern in self.PATTERNS:
            for file in self.path.glob(pattern):
                file.unlink()
        for tree in self.TREES:
            shutil.rmtree(self.path / tree, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing the folder. Raises InputError if one does; a process that dies lets go."""
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise InputError(f"another process is writing {self.path}; valid: wait for it, or stop it") from error
        except OSError as error:
            raise unwritable(self.path, error) from error
        try:
            yield
        finally:
            lock.release()


def remove_files(path: Path, names: Iterable[str]) -> None:
    """Remove these files of a folder, and what a killed process left of writing them."""
    for name in names:
        for file in (path / name, temporary_path(path / name)):
            file.unlink(missing_ok=True)


def check_file_free(path: Path, force: bool) -> None:
    """Raises InputError unless a file can be written at ``path``: it is new, or ``force`` replaces it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise InputError(f"{path} exists; give another name, or --force to overwrite it")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")


def unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path}: {error.strerror}; valid: a place that can be written")
