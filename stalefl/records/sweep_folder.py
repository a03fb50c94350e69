"""The folder of a sweep: its cells, one folder each with one run for each seed, and the tables of all results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stalefl.contracts import InputError
from stalefl.records.documents.common import SCHEMA
from stalefl.records.documents.sweep import RunFailure, SweepIndex
from stalefl.records.json_files import read_document, write_document
from stalefl.records.owned_folder import REPLACE, RESUME, OwnedFolder, unwritable
from stalefl.storage import write_whole


class SweepFolder(OwnedFolder):
    """``cells/NAME/config.toml`` is a cell's experiment, ``cells/NAME/seed-N`` a run as any other."""

    WHAT = "sweep"
    SIGNS = ("sweep.json",)
    FILES = ("sweep.json", "results.parquet", "results.md", "results.tex", "failed.json")
    TREES = ("cells",)
    WAYS = (RESUME, REPLACE)

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.sweep, self.parquet, self.markdown, self.latex, self.failed = (self.path / name for name in self.FILES)
        self.cells = self.path / "cells"

    @classmethod
    def open(cls, path: Path | str) -> SweepFolder:
        """Raises InputError if there is no sweep to go on with."""
        folder = cls(path)
        if not folder.path.is_dir():
            raise InputError(f"{path}: no such folder; valid: one that stalefl sweep has written")
        if not folder.is_begun:
            raise InputError(f"{path} holds no sweep; valid: a folder that stalefl sweep has written")
        return folder

    @property
    def is_begun(self) -> bool:
        """Whether the folder names the runs of a sweep."""
        return self.sweep.is_file()

    def create(self, cells: Mapping[str, tuple[Mapping[str, Any], str]], seeds: Sequence[int], force: bool) -> None:
        """Make the folder; ``force`` removes the files of a sweep there, no others.

        ``cells`` gives the name of each cell its values and its experiment as TOML. ``sweep.json``, without which it is
        no sweep, is written last.
        """
        named = [{"name": name, "values": dict(values)} for name, (values, _) in cells.items()]
        self.make(force)
        try:
            with self.locked():
                for name, (_, config) in cells.items():
                    (self.cells / name).mkdir(parents=True)
                    write_whole(self.config(name), config.encode())
                write_document(self.sweep, SweepIndex, {"schema": SCHEMA, "seeds": list(seeds), "cells": named})
        except OSError as error:
            self._remove_own()
            raise unwritable(self.path, error) from error
        except InputError:
            self._remove_own()
            raise

    def read_index(self) -> dict[str, Any]:
        """``sweep.json``: a ``SweepIndex``. Raises InputError if it is damaged."""
        return read_document(self.sweep, SweepIndex)

    def config(self, cell: str) -> Path:
        return self.cells / cell / "config.toml"

    def run_path(self, cell: str, seed: int) -> Path:
        return self.cells / cell / f"seed-{seed}"

    def write_failures(self, failures: Mapping[str, RunFailure]) -> None:
        """``failed.json``: the runs that failed, by their folder, and why; without any there is no such file."""
        if failures:
            write_document(self.failed, dict[str, RunFailure], failures)
        else:
            self.failed.unlink(missing_ok=True)
