"""Where data lie, and whether they may be fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stalefl.contracts import DataContext


DATA_VARIABLE = "STALEFL_DATA"


def data_context(data_dir: Path | None, download: bool) -> DataContext:
    """``--data-dir``, else $STALEFL_DATA, else the user's cache folder. Raises InputError if that is not a folder."""
    from platformdirs import user_cache_path

    from stalefl.contracts import DataContext, InputError

    folder = data_dir or Path(os.environ.get(DATA_VARIABLE) or user_cache_path("stalefl") / "data")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--data-dir {folder}: not a folder")
    return DataContext(folder, download)
