from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.records.owned_folder import OwnedFolder, check_file_free


class Shelf(OwnedFolder):
    WHAT = "shelf"
    SIGNS = ("index.json",)
    FILES = ("index.json", "notes.md")
    PATTERNS = ("page-*.png",)
    TREES = ("books",)


def a_shelf(path: Path) -> Shelf:
    shelf = Shelf(path).make()
    (path / "books").mkdir()
    for name in ("index.json", "page-1.png", "books/one", ".notes.md.tmp", "mine.txt"):
        (path / name).touch()
    return shelf


def test_a_new_or_empty_folder_is_free(tmp_path: Path) -> None:
    assert Shelf(tmp_path / "a" / "b").make().path.is_dir()
    Shelf(tmp_path / "a" / "b").make()


def test_force_removes_its_own_files_and_no_others(tmp_path: Path) -> None:
    shelf = a_shelf(tmp_path / "s")
    with pytest.raises(InputError, match="s exists and is not empty; valid: a new folder, or --force to replace the s"):
        shelf.make()
    shelf.make(force=True)
    assert [path.name for path in shelf.path.iterdir()] == ["mine.txt"]


def test_a_folder_of_another_kind_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(InputError, match="holds no shelf of stalefl, so --force does not touch it"):
        Shelf(tmp_path).make(force=True)
    assert (tmp_path / "notes.md").exists()


def test_a_folder_that_is_being_written_is_not_replaced(tmp_path: Path) -> None:
    shelf = a_shelf(tmp_path / "s")
    with shelf.locked(), pytest.raises(InputError, match="another process is writing"):
        Shelf(shelf.path).make(force=True)
    assert (shelf.path / "books" / "one").exists()


def test_a_file_is_overwritten_only_when_told_to(tmp_path: Path) -> None:
    check_file_free(tmp_path / "new.png", force=False)
    (tmp_path / "old.png").touch()
    check_file_free(tmp_path / "old.png", force=True)
    with pytest.raises(InputError, match="old.png exists; give another name, or --force to overwrite it"):
        check_file_free(tmp_path / "old.png", force=False)
    with pytest.raises(InputError, match="is a folder; name a file"):
        check_file_free(tmp_path, force=True)
    with pytest.raises(InputError, match="there is no folder"):
        check_file_free(tmp_path / "none" / "new.png", force=False)
