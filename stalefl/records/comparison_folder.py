"""The folder of a comparison, and the runs that are found at or below any folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stalefl.contracts import InputError
from stalefl.records.documents.common import SCHEMA
from stalefl.records.documents.comparison import ComparisonIndex, ComparisonSummary
from stalefl.records.json_files import read_document, write_document
from stalefl.records.run_folder import ReplaceableRuns, RunFolder
from stalefl.storage import write_whole


class ComparisonFolder(ReplaceableRuns):
    """The folder of several runs: methods and seeds, one run each under ``<method>/seed-<seed>``."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.comparison = self.path / "comparison.json"
        self.config = self.path / "config.toml"
        self.summary = self.path / "summary.json"

    @classmethod
    def create(
        cls, path: Path | str, methods: Sequence[str], seeds: Sequence[int], force: bool = False
    ) -> ComparisonFolder:
        """A new comparison folder. An existing one is refused unless ``force``, as in ``RunFolder.create``."""
        folder = cls(path).make(force)
        folder.write_index(methods, seeds)
        return folder

    @staticmethod
    def is_one(path: Path | str) -> bool:
        return (Path(path) / "comparison.json").is_file()

    def read_index(self) -> dict[str, Any]:
        """``comparison.json``: a ``ComparisonIndex``. Raises InputError if this is no comparison folder."""
        if not self.is_one(self.path):
            raise InputError(f"{self.path} is not a comparison folder; valid: a folder with comparison.json")
        return read_document(self.comparison, ComparisonIndex)

    def write_index(self, methods: Sequence[str], seeds: Sequence[int]) -> None:
        """Write of which methods and seeds the comparison is made."""
        runs = [f"{method}/seed-{seed}" for method in methods for seed in seeds]
        index = {"schema": SCHEMA, "methods": list(methods), "seeds": list(seeds), "runs": runs}
        write_document(self.comparison, ComparisonIndex, index)

    def run_path(self, method: str, seed: int) -> Path:
        return self.path / method / f"seed-{seed}"

    def write_config(self, text: str) -> None:
        write_whole(self.config, text.encode())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        write_document(self.summary, ComparisonSummary, summary)


def find_runs(path: Path | str) -> list[RunFolder]:
    """The run folders at or below ``path``, those of a comparison in its order. Raises InputError if there are none."""
    path = Path(path)
    if ComparisonFolder.is_one(path):
        places: list[Path] = [path / run for run in ComparisonFolder(path).read_index()["runs"]]
    else:
        places = [path, *sorted((rounds.parent for rounds in path.rglob("rounds.jsonl")), key=_by_number)]
    found = {place: folder for place in places if (folder := RunFolder(place)).is_begun}
    if not found:
        raise InputError(f"no run folder at or below {path}; valid: a folder with config.toml and rounds.jsonl")
    return list(found.values())


def _by_number(path: Path) -> list[tuple[int, str]]:
    """seed-2 before seed-10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(path))]
