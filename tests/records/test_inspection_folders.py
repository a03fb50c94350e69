from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.records.inspection_folders import AuditFolder, InversionFolder


def test_only_an_inversion_is_replaced_and_only_when_told_to(tmp_path: Path) -> None:
    folder = InversionFolder(tmp_path / "new" / "out")
    folder.create()
    for name in ("recovered.safetensors", "estimate.safetensors", "notes.txt"):
        (folder.path / name).touch()
    assert folder.written() == ["recovered.safetensors", "estimate.safetensors"]
    with pytest.raises(InputError, match="exists and is not empty; valid: a new folder, or --force"):
        folder.check_free()
    folder.create(force=True)
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="holds no inversion"):
        folder.create(force=True)


def test_a_file_in_the_way_of_an_inversion(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file"):
        InversionFolder(tmp_path / "file" / "out").check_free()


def test_an_audit_is_replaced_with_all_its_attempts_and_nothing_else(tmp_path: Path) -> None:
    folder = AuditFolder(tmp_path / "out")
    folder.create()
    folder.cases.touch()
    attempt = folder.attempt("dlg", "sparsify=0.95, noise=0.001", 3, 0)
    assert attempt.relative_to(folder.path).as_posix() == "attempts/dlg/sparsify-0.95-noise-0.001/case-3-0.safetensors"
    attempt.parent.mkdir(parents=True)
    for file in (attempt, folder.picture("dlg"), folder.path / "notes.txt"):
        file.touch()
    folder.create(force=True)
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="holds no audit"):
        folder.create(force=True)


def test_only_an_audit_is_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no audit; valid: a folder that stalefl privacy-audit has written"):
        AuditFolder.open(tmp_path)


def test_every_defence_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = AuditFolder(tmp_path)
    defences = ["none", "noise=1e-06", "noise=1e+06", "clip=1, gaussian=0.5", "clip=1, noise=0.5"]
    assert len({folder.attempt("dlg", defence, 0, 0) for defence in defences}) == len(defences)
