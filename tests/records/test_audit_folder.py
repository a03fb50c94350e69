from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.records.audit_folder import AuditFolder


def test_an_audit_is_replaced_with_all_its_attempts_and_nothing_else(tmp_path: Path) -> None:
    folder = AuditFolder(tmp_path / "out")
    folder.make()
    folder.cases.touch()
    attempt = folder.attempt("dlg", "sparsify=0.95, noise=0.001", 3, 0)
    assert attempt.relative_to(folder.path).as_posix() == "attempts/dlg/sparsify-0.95-noise-0.001/case-3-0.safetensors"
    attempt.parent.mkdir(parents=True)
    for file in (attempt, folder.picture("dlg"), folder.path / "notes.txt"):
        file.touch()
    folder.make(force=True)
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="holds no audit"):
        folder.make(force=True)


def test_only_an_audit_is_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no audit; valid: a folder that stalefl privacy-audit has written"):
        AuditFolder.open(tmp_path)


def test_every_defence_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = AuditFolder(tmp_path)
    defences = ["none", "noise=1e-06", "noise=1e+06", "clip=1, gaussian=0.5", "clip=1, noise=0.5"]
    assert len({folder.attempt("dlg", defence, 0, 0) for defence in defences}) == len(defences)
