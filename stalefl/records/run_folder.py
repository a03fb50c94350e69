"""The folder of one run: which files a run leaves behind, and how they are written and read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stalefl.contracts import InputError
from stalefl.records.documents.rounds import RoundRecord
from stalefl.records.documents.run import Environment, RunResult
from stalefl.records.json_files import json_line, parsed, read_document, write_document
from stalefl.records.owned_folder import LOCK, REPLACE, RESUME, OwnedFolder, remove_files, unwritable
from stalefl.storage import load_tree, save_tree, write_whole

CURVES, ERRORS = "curves.png", "errors.png"
"""Pictures of a run or comparison; the second only with an oracle."""
RUN_FILES = (
    LOCK,
    "config.toml",
    "environment.json",
    "partition.safetensors",
    "partition.png",
    "data.json",
    "rounds.jsonl",
    "checkpoint.safetensors",
    "weights.safetensors",
    "result.json",
    CURVES,
    ERRORS,
    "report.html",
)
COMPARISON_FILES = ("comparison.json", "summary.json", "config.toml", CURVES, ERRORS, "report.html")
RUNS_BELOW = "*/seed-*"
"""Folders of the runs of a comparison."""


class ReplaceableRuns(OwnedFolder):
    """The folder of a run or of a comparison of runs; each may take the other's place."""

    WHAT = "run"
    SIGNS = ("rounds.jsonl", "comparison.json")
    FILES = tuple(dict.fromkeys((*RUN_FILES, *COMPARISON_FILES)))
    WAYS = (REPLACE, RESUME)

    def remove(self) -> None:
        """Remove the files of the run, or of the comparison with its runs; a folder below that is then empty goes."""
        runs = [RunFolder(run) for run in self.path.glob(RUNS_BELOW) if (run / "rounds.jsonl").is_file()]
        for folder in (self, *runs):
            with folder.locked():
                pass
        for run in runs:
            remove_files(run.path, RUN_FILES)
            for emptied in (run.path, run.path.parent):
                if not any(emptied.iterdir()):
                    emptied.rmdir()
        self._remove_own()


class RunFolder(ReplaceableRuns):
    """The folder of one run."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.config = self.path / "config.toml"
        self.environment = self.path / "environment.json"
        self.partition = self.path / "partition.safetensors"
        self.data = self.path / "data.json"
        self.rounds = self.path / "rounds.jsonl"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.weights = self.path / "weights.safetensors"
        self.result = self.path / "result.json"

    @classmethod
    def create(cls, path: Path | str, force: bool = False) -> RunFolder:
        """A new run folder. An existing one is refused unless ``force``, which removes a run's own files, no others."""
        folder = cls(path).make(force)
        write_whole(folder.rounds, b"")
        return folder

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """An existing run folder. Raises InputError if ``path`` is none."""
        folder = cls(path)
        if not folder.is_begun:
            raise InputError(f"{path} is not a run folder; valid: a folder with config.toml and rounds.jsonl")
        return folder

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds an experiment and its records, be there none yet."""
        return self.config.is_file() and self.rounds.is_file()

    def write_config(self, text: str) -> None:
        write_whole(self.config, text.encode())

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        write_document(self.environment, Environment, environment)

    def read_environment(self) -> dict[str, Any]:
        """The environment, {} where none was written."""
        return read_document(self.environment, Environment) if self.environment.is_file() else {}

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_document(self.result, RunResult, result)

    def read_result(self) -> dict[str, Any] | None:
        """The result, or None for a run that has not finished."""
        return read_document(self.result, RunResult) if self.result.is_file() else None

    def append_round(self, record: Mapping[str, Any]) -> None:
        """Add one line to ``rounds.jsonl``; it has left this process when the call returns."""
        try:
            with self.rounds.open("ab") as file:
                file.write(json_line(record))
        except OSError as error:
            raise unwritable(self.rounds, error) from error

    def read_rounds(self) -> list[dict[str, Any]]:
        """All whole lines of ``rounds.jsonl``; a last line still being written is left out."""
        return [self._parsed_line(number, line) for number, line in enumerate(self._whole_lines(), start=1)]

    def truncate_rounds(self, after_round: int) -> None:
        """Drop the lines after ``after_round`` and a half-written one. InputError if earlier ones are missing."""
        lines = self._whole_lines()
        numbers = [self._parsed_line(number, line)["round"] for number, line in enumerate(lines, start=1)]
        kept = [(number, line) for number, line in zip(numbers, lines, strict=True) if number <= after_round]
        if [number for number, _ in kept] != list(range(1, after_round + 1)):
            raise InputError(
                f"{self.rounds} lacks rounds before {after_round}, where its checkpoint stands; "
                "valid: an unedited run folder, or --force to start again"
            )
        write_whole(self.rounds, b"".join(line + b"\n" for _, line in kept))

    def save_checkpoint(self, tree: Any) -> None:
        """Write the checkpoint whole; the rounds it has seen reach the disk before it does."""
        try:
            with self.rounds.open("ab") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.rounds, error) from error
        save_tree(self.checkpoint, tree)

    def load_checkpoint(self) -> Any:
        """The tree of the last checkpoint. Raises InputError if it is missing or damaged."""
        return load_tree(self.checkpoint)

    def _whole_lines(self) -> list[bytes]:
        try:
            return self.rounds.read_bytes().split(b"\n")[:-1]
        except OSError as error:
            raise InputError(f"cannot read {self.rounds}: {error.strerror}; valid: a readable file of a run") from error

    def _parsed_line(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            return parsed(line, RoundRecord)
        except ValueError as error:
            valid = "one JSON object per line, as docs/records.md describes it"
            raise InputError(f"{self.rounds}, line {number} is damaged ({error}); valid: {valid}") from error
