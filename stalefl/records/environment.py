"""What the figures of a run may depend on besides its configuration."""

from __future__ import annotations

import platform
from datetime import datetime, timezone

import stalefl
from stalefl.records.documents.run import Environment


def environment(device: str, threads: int) -> Environment:
    """``environment.json``: what the figures of a run may depend on besides its configuration."""
    import numpy
    import torch

    return {
        "stalefl": stalefl.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": threads,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
