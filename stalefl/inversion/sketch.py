"""Updates in short: what a server remembers of them, whatever the model's size.

A count sketch (Charikar, Chen and Farach-Colton, ICALP 2002): entries are added up, with random signs, in ``SIZE``
places. Sums, differences and multiples of sketches are the sketches of those of the updates, and inner products,
hence lengths and cosines, are kept to about 1/sqrt(SIZE) = 1 % of the lengths' product.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from stalefl.seeds import named_generator

SIZE = 8192


def sketch(delta: Tensor) -> Tensor:
    """The sketch [SIZE] of an update [P]; an update that is no longer than that is its own sketch."""
    if delta.numel() <= SIZE:
        return delta
    places, signs = _places_and_signs(delta.numel(), delta.device)
    return torch.zeros(SIZE, device=delta.device).scatter_add_(0, places, signs * delta)


@lru_cache(maxsize=4)
def _places_and_signs(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    generator = named_generator(0, "sketch", size)
    places = torch.randint(SIZE, (size,), generator=generator)
    signs = 2.0 * torch.randint(2, (size,), generator=generator) - 1
    return places.to(device), signs.to(device)
