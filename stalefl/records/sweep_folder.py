"""The folder of a sweep: its cells, one folder each with one run for each seed, and the tables of all results."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from stalefl.contracts import InputError
from stalefl.records.folders import LOCK, SCHEMA, json_document, locked, read_json, remove_files, unwritable
from stalefl.records.inspection_folders import check_free_for
from stalefl.storage import write_whole


class SweepFolder:
    """``cells/NAME/config.toml`` is a cell's experiment, ``cells/NAME/seed-N`` a run as any other."""

    FILES = ("sweep.json", "results.parquet", "results.md", "results.tex", "failed.json")

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.sweep, self.parquet, self.markdown, self.latex, self.failed = (self.path / name for name in self.FILES)
        self.cells = self.path / "cells"

    @classmethod
    def open(cls, path: Path | str) -> SweepFolder:
        """Raises InputError if there is no sweep to go on with."""
        folder = cls(path)
        if not folder.path.is_dir():
            raise InputError(f"{path}: no such folder; valid: one that stalefl sweep has written")
        if not folder.sweep.is_file():
            raise InputError(f"{path} holds no sweep; valid: a folder that stalefl sweep has written")
        return folder

    def check_free(self, force: bool = False) -> None:
        """Raises InputError if the folder is not empty; with ``force`` only if what it holds is no sweep."""
        check_free_for(self.path, "sweep", self.sweep, force, others=("--resume to go on with it",))

    def create(self, cells: Mapping[str, tuple[Mapping[str, Any], str]], seeds: Sequence[int], force: bool) -> None:
        """Make the folder; ``force`` removes the files of a sweep there, no others.

        ``cells`` gives the name of each cell its values and its experiment as TOML. ``sweep.json``, without which it is
        no sweep, is written last.
        """
        self.check_free(force)
        named = [{"name": name, "values": dict(values)} for name, (values, _) in cells.items()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with self.locked():
                remove_files(self.path, self.FILES)
                shutil.rmtree(self.cells, ignore_errors=True)
                for name, (_, config) in cells.items():
                    (self.cells / name).mkdir(parents=True)
                    write_whole(self.config(name), config.encode())
                write_whole(self.sweep, json_document({"schema": SCHEMA, "seeds": list(seeds), "cells": named}))
        except OSError as error:
            self._clear()
            raise unwritable(self.path, error) from error
        except InputError:
            self._clear()
            raise

    def _clear(self) -> None:
        """Leave nothing of a sweep that could not be made."""
        remove_files(self.path, (*self.FILES, LOCK))
        shutil.rmtree(self.cells, ignore_errors=True)

    def facts(self) -> dict[str, Any]:
        """``{"schema", "seeds", "cells": [{"name", "values"}]}``."""
        return read_json(self.sweep)

    def config(self, cell: str) -> Path:
        return self.cells / cell / "config.toml"

    def run_path(self, cell: str, seed: int) -> Path:
        return self.cells / cell / f"seed-{seed}"

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from writing this sweep."""
        return locked(self.path)

    def write_failures(self, failures: Mapping[str, Any]) -> None:
        """``failed.json``: the runs that failed, by their folder, and why; without any there is no such file."""
        if failures:
            write_whole(self.failed, json_document(failures))
        else:
            self.failed.unlink(missing_ok=True)
