"""``python -m stalefl`` is ``stalefl``."""

from __future__ import annotations

import sys

from stalefl.cli import main

if __name__ == "__main__":
    sys.exit(main())
