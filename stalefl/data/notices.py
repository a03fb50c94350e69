"""What the readers of data tell on the way."""

from __future__ import annotations

import logging
from functools import lru_cache

logger = logging.getLogger("stalefl.data")


@lru_cache(maxsize=100)
def tell_once(text: str) -> None:
    """A warning, once in a process: every run of a comparison reads the data."""
    logger.warning("%s", text)
