from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from stalefl.audit.outcome import Networks, measure
from stalefl.audit.pictures import draw_pictures
from tests.audit.problem import opened, write_all


def test_the_recovered_stand_beside_the_true_ones(tmp_path: Path, user_cache: Path) -> None:
    """Columns: true, none, noise. Where the samples themselves are recovered, the first two are alike."""
    audit = opened(tmp_path / "out")
    write_all(audit, exact=True)
    networks = Networks(cache=user_cache / "stalefl" / "classifiers")
    assert draw_pictures(audit, measure(audit, networks)) == ["idlg"]
    pixels = np.asarray(Image.open(audit.folder.picture("idlg")).convert("L")).astype(float)
    lower = pixels[pixels.shape[0] // 2 :]
    dark = np.flatnonzero((lower < 250).any(axis=0))
    columns = np.split(dark, np.flatnonzero(np.diff(dark) > 1) + 1)
    assert len(columns) == 3
    width = min(map(len, columns))
    true, found, noise = (lower[:, column[:width]] for column in columns)
    assert 5 * np.abs(true - found).mean() < np.abs(true - noise).mean()
