"""The device a run computes on, from the name the user gave."""

from __future__ import annotations

import os
import re

import torch

from stalefl.contracts import InputError


def resolve_device(name: str) -> torch.device:
    """``auto`` is the first CUDA device if there is one, else the CPU; ``mps`` is taken only when named.

    Raises InputError if the device is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise InputError(f"device '{name}' is unknown; valid: auto, cpu, cuda, cuda:N, mps")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device '{name}' is not there: {torch.cuda.device_count()} CUDA devices; valid: auto, cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' is not there; valid: auto, cpu")
    if device.type == "cuda":
        # Without these, cuBLAS and some kernels add in an order that changes from run to run.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device
