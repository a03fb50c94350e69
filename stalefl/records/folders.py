"""Run folders: which files a run leaves behind, and how they are written, read and replaced."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stalefl.contracts import InputError
from stalefl.storage import load_tree, save_tree, temporary_path, write_whole

SCHEMA = 1
LOCK = ".lock"
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


class RunFolder:
    """The folder of one run (design.md, "Files")."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
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
        folder = cls(path)
        _make_folder(folder.path, force)
        write_whole(folder.rounds, b"")
        return folder

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """An existing run folder. Raises InputError if ``path`` is none."""
        folder = cls(path)
        if not (folder.config.is_file() and folder.rounds.is_file()):
            raise InputError(f"{path} is not a run folder; valid: a folder with config.toml and rounds.jsonl")
        return folder

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from writing this run. Raises InputError if one does; a process that dies lets go."""
        return locked(self.path)

    def write_config(self, text: str) -> None:
        write_whole(self.config, text.encode())

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        write_whole(self.environment, json_document(facts))

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_whole(self.result, json_document(result))

    def read_result(self) -> dict[str, Any] | None:
        """The result, or None for a run that has not finished."""
        return read_json(self.result) if self.result.is_file() else None

    def append_round(self, record: Mapping[str, Any]) -> None:
        """Add one line to ``rounds.jsonl``; it has left this process when the call returns."""
        try:
            with self.rounds.open("ab") as file:
                file.write(_json_line(record))
        except OSError as error:
            raise unwritable(self.rounds, error) from error

    def read_rounds(self) -> list[dict[str, Any]]:
        """All whole lines of ``rounds.jsonl``; a last line still being written is left out."""
        whole_lines = self._read_bytes(self.rounds).split(b"\n")[:-1]
        return [self._parse_line(number, line) for number, line in enumerate(whole_lines, start=1)]

    def truncate_rounds(self, after_round: int) -> None:
        """Drop the lines after ``after_round`` and a half-written one. InputError if earlier ones are missing."""
        kept = [record for record in self.read_rounds() if record["round"] <= after_round]
        if [record["round"] for record in kept] != list(range(1, after_round + 1)):
            raise InputError(
                f"{self.rounds} lacks rounds before {after_round}, where its checkpoint stands; "
                "valid: an unedited run folder, or --force to start again"
            )
        write_whole(self.rounds, b"".join(map(_json_line, kept)))

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

    @staticmethod
    def _read_bytes(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}; valid: a readable file of a run") from error

    def _parse_line(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("round"), int):
                return record
        except ValueError:
            pass
        raise InputError(f"{self.rounds}, line {number} is damaged; valid: one JSON object per line, with its round")


class ComparisonFolder:
    """The folder of several runs: methods and seeds, one run each under ``<method>/seed-<seed>``."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.comparison = self.path / "comparison.json"
        self.config = self.path / "config.toml"
        self.summary = self.path / "summary.json"

    @classmethod
    def create(
        cls, path: Path | str, methods: Sequence[str], seeds: Sequence[int], force: bool = False
    ) -> ComparisonFolder:
        """A new comparison folder. An existing one is refused unless ``force``, as in ``RunFolder.create``."""
        folder = cls(path)
        _make_folder(folder.path, force)
        folder.write_facts(methods, seeds)
        return folder

    @staticmethod
    def is_one(path: Path | str) -> bool:
        return (Path(path) / "comparison.json").is_file()

    def facts(self) -> dict[str, Any]:
        """``{"schema", "methods", "seeds", "runs"}``. Raises InputError if this is no comparison folder."""
        if not self.comparison.is_file():
            raise InputError(f"{self.path} is not a comparison folder; valid: a folder with comparison.json")
        return read_json(self.comparison)

    def write_facts(self, methods: Sequence[str], seeds: Sequence[int]) -> None:
        """Which methods and seeds the comparison is made of."""
        runs = [f"{method}/seed-{seed}" for method in methods for seed in seeds]
        facts = {"schema": SCHEMA, "methods": list(methods), "seeds": list(seeds), "runs": runs}
        write_whole(self.comparison, json_document(facts))

    def run_path(self, method: str, seed: int) -> Path:
        return self.path / method / f"seed-{seed}"

    def write_config(self, text: str) -> None:
        write_whole(self.config, text.encode())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        write_whole(self.summary, json_document(summary))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from writing a folder. Raises InputError if one does; a process that dies lets go."""
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(f"another process is writing {path}; valid: wait for it, or stop it") from error
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.release()


def find_runs(path: Path | str) -> list[RunFolder]:
    """The run folders at or below ``path``, those of a comparison in its order. Raises InputError if there are none."""
    path = Path(path)
    if ComparisonFolder.is_one(path):
        places: list[Path] = [path / run for run in ComparisonFolder(path).facts()["runs"]]
    else:
        places = [path, *sorted((rounds.parent for rounds in path.rglob("rounds.jsonl")), key=_by_number)]
    found = {place: RunFolder(place) for place in places if _is_run(place)}
    if not found:
        raise InputError(f"no run folder at or below {path}; valid: a folder with config.toml and rounds.jsonl")
    return list(found.values())


def _by_number(path: Path) -> list[tuple[int, str]]:
    """seed-2 before seed-10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(path))]


def _is_run(path: Path) -> bool:
    return (path / "config.toml").is_file() and (path / "rounds.jsonl").is_file()


def _make_folder(path: Path, force: bool) -> None:
    if file := next((place for place in (path, *path.parents) if place.is_file()), None):
        raise InputError(f"cannot write {path}: {file} is a file; valid: a new folder, or an empty one")
    try:
        if path.is_dir() and any(path.iterdir()):
            if not force:
                raise InputError(
                    f"{path} exists and is not empty; valid: a new folder, --force to replace the run in it, "
                    "or --resume to go on with it"
                )
            _remove_runs(path)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def _remove_runs(path: Path) -> None:
    """Remove the files of the run or comparison at ``path``; whatever else lies there stays."""
    if not _removable(path):
        raise InputError(f"{path} holds no run of stalefl, so --force does not touch it; valid: a new folder")
    runs = [run for run in (path, *path.glob("*/seed-*")) if (run / "rounds.jsonl").is_file()]
    for run in runs:
        with RunFolder(run).locked():
            pass
    for run in runs:
        remove_files(run, RUN_FILES)
        if run != path:
            for emptied in (run, run.parent):
                if not any(emptied.iterdir()):
                    emptied.rmdir()
    remove_files(path, {*RUN_FILES, *COMPARISON_FILES})


def _removable(path: Path) -> bool:
    """``create`` leaves one of these first, so a folder without them is somebody else's."""
    return any((path / name).is_file() for name in ("rounds.jsonl", "comparison.json"))


def remove_files(path: Path, names: Iterable[str]) -> None:
    for name in names:
        for file in (path / name, temporary_path(path / name)):
            file.unlink(missing_ok=True)


# --- JSON -----------------------------------------------------------------------------------------------------------


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``facts`` as JSON gives them back: NaN and infinities, which it does not have, become None."""
    return {key: _plain_value(value) for key, value in facts.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, (list, tuple)):
        return [_plain_value(item) for item in value]
    return value


def _json_line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(record), allow_nan=False).encode() + b"\n"


def json_document(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(facts), allow_nan=False, indent=2).encode() + b"\n"


def read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
        if isinstance(document, dict):
            return document
    except (OSError, ValueError):
        pass
    raise InputError(f"{path} is damaged; valid: the JSON object that stalefl wrote")


def unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path}: {error.strerror}; valid: a place that can be written")
