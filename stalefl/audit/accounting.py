"""What the clipped Gaussian mechanism guarantees: differential privacy of one client's updates.

A client's update is clipped to the L2 norm C and gets Gaussian noise of deviation z C; z is the noise multiplier. With
"add-remove" neighbours one client's update is there or not (sensitivity C), with "replace" it is another one
(sensitivity 2C). The noise is the client's own, so the guarantee holds against the server as well.

Whatever the number of rounds, such a mechanism is exactly one Gaussian mechanism with the noise z / sqrt(rounds) (Dong,
Roth, Su, "Gaussian Differential Privacy", JRSS B 2022), whose epsilon is known in closed form (Balle, Wang, "Improving
the Gaussian Mechanism for Differential Privacy", ICML 2018); dp-accounting solves it. Its accountant of privacy losses
gives the same values, but takes minutes for a small z.
"""

from __future__ import annotations

import math
from typing import Literal

from stalefl.contracts import InputError

Neighbours = Literal["add-remove", "replace"]
_SENSITIVITY = {"add-remove": 1.0, "replace": 2.0}


def epsilon(noise_multiplier: float, delta: float, rounds: int = 1, neighbours: Neighbours = "add-remove") -> float:
    """The least epsilon for which ``rounds`` updates of a client are (epsilon, delta)-differentially private;
    infinite without noise. Raises InputError for a value that makes no sense."""
    _check(noise_multiplier, delta, rounds, neighbours)
    if noise_multiplier == 0:
        return math.inf
    from dp_accounting import get_epsilon_gaussian

    return float(get_epsilon_gaussian(noise_multiplier / (_SENSITIVITY[neighbours] * math.sqrt(rounds)), delta))


def _check(noise_multiplier: float, delta: float, rounds: int, neighbours: str) -> None:
    if not 0 <= noise_multiplier < math.inf:
        raise InputError(f"noise multiplier {noise_multiplier:g} is not valid; valid: 0 or more")
    if not 0 < delta < 1:
        raise InputError(f"delta {delta:g} is not valid; valid: above 0 and below 1")
    if rounds < 1:
        raise InputError(f"rounds = {rounds} is not valid; valid: 1 or more")
    if neighbours not in _SENSITIVITY:
        raise InputError(f'neighbours "{neighbours}" is not valid; valid: {", ".join(_SENSITIVITY)}')
