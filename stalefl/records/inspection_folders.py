"""The folders of what looks into updates: an inversion, a privacy audit."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stalefl.contracts import InputError
from stalefl.records.folders import json_document, remove_files, unwritable
from stalefl.storage import write_whole


class InversionFolder:
    """The folder that ``stalefl invert`` writes."""

    FILES = ("recovered.safetensors", "recovered.png", "inversion.png", "estimate.safetensors", "result.json")

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.recovered, self.samples, self.figures, self.estimate, self.result = (self.path / f for f in self.FILES)

    def check_free(self, force: bool = False) -> None:
        """Raises InputError if the folder is not empty; with ``force`` only if what it holds is no inversion."""
        check_free_for(self.path, "inversion", self.recovered, force)

    def create(self, force: bool = False) -> None:
        """Make the folder; ``force`` removes the files of an inversion there, no others."""
        self.check_free(force)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_files(self.path, self.FILES)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def written(self) -> list[str]:
        """The names of its files that are there."""
        return [name for name in self.FILES if (self.path / name).is_file()]

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_whole(self.result, json_document(result))


def find_inversions(paths: Iterable[Path]) -> list[InversionFolder]:
    """The inversions at or below ``paths`` that have a picture and a result, by name."""
    places = {file.parent for path in paths for file in path.rglob("recovered.png")}
    folders = [InversionFolder(place) for place in sorted(places)]
    return [folder for folder in folders if folder.result.is_file()]


class AuditFolder:
    """The folder that ``stalefl privacy-audit`` writes, and goes on with when it was stopped."""

    FILES = ("config.toml", "cases.safetensors", "truth.safetensors", "result.json", "report.html")

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.config, self.cases, self.truth, self.result, self.page = (self.path / name for name in self.FILES)
        self.attempts = self.path / "attempts"

    def attempt(self, attack: str, defence: str, case: int, restart: int) -> Path:
        """The file of one attempt; attack and defence name its folders."""
        return self.attempts / attack / _slug(defence) / f"case-{case}-{restart}.safetensors"

    def picture(self, attack: str) -> Path:
        return self.path / f"recovered-{attack}.png"

    @classmethod
    def open(cls, path: Path | str) -> AuditFolder:
        """Raises InputError if there is no audit to go on with."""
        folder = cls(path)
        if not (folder.config.is_file() and folder.cases.is_file()):
            raise InputError(f"{path} holds no audit; valid: a folder that stalefl privacy-audit has written")
        return folder

    def check_free(self, force: bool = False) -> None:
        """Raises InputError if the folder is not empty; with ``force`` only if what it holds is no audit."""
        check_free_for(self.path, "audit", self.cases, force)

    def create(self, force: bool = False) -> None:
        """Make the folder; ``force`` removes the files of an audit there, no others."""
        self.check_free(force)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_files(self.path, self.FILES)
            for picture in self.path.glob("recovered-*.png"):
                picture.unlink()
            shutil.rmtree(self.attempts, ignore_errors=True)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def write_config(self, text: str) -> None:
        write_whole(self.config, text.encode())

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_whole(self.result, json_document(result))


def check_free_for(path: Path, what: str, sign: Path, force: bool, others: Sequence[str] = ()) -> None:
    """Raises InputError unless ``path`` is new or empty or, with ``force``, holds the file that is the ``sign`` of what
    may be replaced. ``others`` are other ways that are told of."""
    if file := next((place for place in (path, *path.parents) if place.is_file()), None):
        raise InputError(f"cannot write {path}: {file} is a file; valid: a new folder, or an empty one")
    if not path.is_dir() or not any(path.iterdir()):
        return
    if not force:
        ways = ["a new folder", *others, f"--force to replace the {what} in it"]
        raise InputError(f"{path} exists and is not empty; valid: {', '.join(ways[:-1])}, or {ways[-1]}")
    if not sign.is_file():
        raise InputError(f"{path} holds no {what}, so --force does not touch it; valid: a new folder")


def _slug(text: str) -> str:
    """``sparsify=0.95, noise=0.001`` -> ``sparsify-0.95-noise-0.001``."""
    return re.sub(r"[^A-Za-z0-9.+]+", "-", text).strip("-")
