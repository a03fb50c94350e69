from __future__ import annotations

import os
from pathlib import Path

import pytest

from stalefl.contracts import InputError
from stalefl.data.files import files_below, subfolders

HIDDEN = (".ipynb_checkpoints", "@eaDir", "__MACOSX", ".git", "lost+found")


def test_what_systems_hide_is_left_out(tmp_path: Path) -> None:
    for name in ("b", "a", *HIDDEN):
        (tmp_path / name).mkdir()
        for file in ("2.png", "10.png", "Thumbs.db", ".DS_Store", "._2.png", "desktop.ini"):
            (tmp_path / name / file).touch()
    assert [path.name for path in subfolders(tmp_path)] == ["a", "b"]
    assert [str(path.relative_to(tmp_path)) for path in files_below(tmp_path)] == [
        *("a/10.png", "a/2.png"),
        *("b/10.png", "b/2.png"),
    ]


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").touch()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert [path.name for path in files_below(tmp_path / "b")] == ["1.png"]
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    with pytest.raises(InputError, match="is a link to a folder that is read already"):
        list(files_below(tmp_path))


def test_pipes_and_links_to_nothing_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is no regular file; valid: no pipes and devices"):
        list(files_below(tmp_path))
    (tmp_path / "pipe").unlink()
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(InputError, match="gone is a link to nothing"):
        list(files_below(tmp_path))
