"""The folder that ``stalefl privacy-audit`` writes, and goes on with when it was stopped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stalefl.contracts import InputError
from stalefl.records.documents.audit import AuditResult
from stalefl.records.json_files import read_document, write_document
from stalefl.records.owned_folder import OwnedFolder
from stalefl.storage import write_whole


class AuditFolder(OwnedFolder):
    """The folder of one audit."""

    WHAT = "audit"
    SIGNS = ("cases.safetensors",)
    FILES = ("config.toml", "cases.safetensors", "truth.safetensors", "result.json", "report.html")
    PATTERNS = ("recovered-*.png",)
    TREES = ("attempts",)

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
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

    def write_config(self, text: str) -> None:
        write_whole(self.config, text.encode())

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_document(self.result, AuditResult, result)

    def read_result(self) -> dict[str, Any]:
        """``result.json``: an ``AuditResult``. Raises InputError if it is missing or damaged."""
        return read_document(self.result, AuditResult)


def _slug(text: str) -> str:
    """``sparsify=0.95, noise=0.001`` -> ``sparsify-0.95-noise-0.001``."""
    return re.sub(r"[^A-Za-z0-9.+]+", "-", text).strip("-")
