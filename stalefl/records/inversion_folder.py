"""The folder that ``stalefl invert`` writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stalefl.records.documents.inversion import InversionResult
from stalefl.records.json_files import read_document, write_document
from stalefl.records.owned_folder import OwnedFolder


class InversionFolder(OwnedFolder):
    """The folder of one inversion."""

    WHAT = "inversion"
    SIGNS = ("recovered.safetensors",)
    FILES = ("recovered.safetensors", "recovered.png", "inversion.png", "estimate.safetensors", "result.json")

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.recovered, self.samples, self.figures, self.estimate, self.result = (self.path / f for f in self.FILES)

    def written(self) -> list[str]:
        """The names of its files that are there."""
        return [name for name in self.FILES if (self.path / name).is_file()]

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_document(self.result, InversionResult, result)

    def read_result(self) -> dict[str, Any]:
        """``result.json``: an ``InversionResult``. Raises InputError if it is missing or damaged."""
        return read_document(self.result, InversionResult)


def find_inversions(paths: Iterable[Path]) -> list[InversionFolder]:
    """The inversions at or below ``paths`` that have a picture and a result, by name."""
    places = {file.parent for path in paths for file in path.rglob("recovered.png")}
    folders = [InversionFolder(place) for place in sorted(places)]
    return [folder for folder in folders if folder.result.is_file()]
