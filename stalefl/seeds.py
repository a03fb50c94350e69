"""Random generators by name. Every draw of an experiment comes from one of these, so no draw can disturb another and
results do not depend on the order in which work is done."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def named_seed(root: int, purpose: str, *index: int) -> int:
    """A 63-bit seed that depends on nothing but the root seed, the purpose and the index (round, client, ...)."""
    name = ":".join([str(root), purpose, *map(str, index)])
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 1


def named_generator(root: int, purpose: str, *index: int) -> torch.Generator:
    """A CPU generator. Draws are made on the CPU and moved, so they are the same on every device."""
    generator = torch.Generator(device="cpu")
    generator.manual_seed(named_seed(root, purpose, *index))
    return generator


def named_rng(root: int, purpose: str, *index: int) -> np.random.Generator:
    """The same for code that draws with NumPy (partitions, delays, selection)."""
    return np.random.default_rng(named_seed(root, purpose, *index))
