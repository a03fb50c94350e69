from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """The folder that STALEFL_DATA names; without it, tests of real data are skipped."""
    if not os.environ.get("STALEFL_DATA"):
        pytest.skip("STALEFL_DATA is unset")
    return Path(os.environ["STALEFL_DATA"])
