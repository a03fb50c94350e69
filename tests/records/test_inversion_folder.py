from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.records.inversion_folder import InversionFolder


def test_only_an_inversion_is_replaced_and_only_when_told_to(tmp_path: Path) -> None:
    folder = InversionFolder(tmp_path / "new" / "out")
    folder.make()
    for name in ("recovered.safetensors", "estimate.safetensors", "notes.txt"):
        (folder.path / name).touch()
    assert folder.written() == ["recovered.safetensors", "estimate.safetensors"]
    with pytest.raises(InputError, match="exists and is not empty; valid: a new folder, or --force"):
        folder.check_free()
    folder.make(force=True)
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="holds no inversion"):
        folder.make(force=True)


def test_a_file_in_the_way_of_an_inversion(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file"):
        InversionFolder(tmp_path / "file" / "out").check_free()
