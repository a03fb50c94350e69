"""What a client does to its update before it sends it: steps in the order in which they are written.

``sparsify=0.95`` sends the 5 % largest entries only; ``noise=1e-3`` adds Gaussian noise of that variance, in the scale
of the gradient; ``clip=1.0`` scales a longer update down to that L2 norm; ``gaussian=0.5`` is the Gaussian mechanism
behind it, noise whose deviation is that multiple of the clipping norm. Noise goes on the entries that are sent: after a
sparsification it leaves the others out, or nothing would have been saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from stalefl.contracts import InputError
from stalefl.training.sparsify import largest_entries

NONE = "none"
VALID = (
    '"none", or steps like "sparsify=0.95" (share left out, 0 up to 1), "noise=1e-3" (variance, 0 or more), "clip=1.0" '
    '(L2 norm, above 0), "gaussian=0.5" (multiple of the clipping norm, above 0, after a clip), separated by commas'
)
_IN_RANGE: dict[str, Callable[[float], bool]] = {
    "sparsify": lambda rate: 0 <= rate < 1,
    "noise": lambda variance: 0 <= variance < float("inf"),
    "clip": lambda norm: 0 < norm < float("inf"),
    "gaussian": lambda multiplier: 0 < multiplier < float("inf"),
}


class Step(NamedTuple):
    """One of ``sparsify``, ``noise``, ``clip`` and ``gaussian``, and how strong it is."""

    kind: str
    value: float

    def __str__(self) -> str:
        return f"{self.kind}={self.value:g}"


class DefendedUpdate(NamedTuple):
    """What leaves the client: the update [P], 0 where nothing is sent, and which entries are [P] (None: all)."""

    delta: Tensor
    mask: Tensor | None = None


@dataclass(frozen=True)
class Defence:
    """Steps in order; none at all is no defence."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Defence:
        """Raises InputError that names the step and says what is valid."""
        if text.strip() == NONE:
            return cls()
        steps = tuple(_step(part, text) for part in text.split(","))
        for place, step in enumerate(steps):
            if step.kind == "gaussian" and not any(before.kind == "clip" for before in steps[:place]):
                raise InputError(f'defence "{text}": {step} needs a clip=NORM before it, of which it is a multiple')
        return cls(steps)

    def __str__(self) -> str:
        return ", ".join(map(str, self.steps)) or NONE

    def apply(self, delta: Tensor, reach: float, generator: torch.Generator) -> DefendedUpdate:
        """What is sent of an update [P]. ``reach`` is its length per unit of gradient (LocalTraining.reach), by which
        the noise of a given variance is scaled. Noise is drawn on the CPU, for every entry."""
        sent, norm = DefendedUpdate(delta), 0.0
        for step in self.steps:
            match step.kind:
                case "sparsify":
                    sent = _sparsified(sent, step.value)
                case "clip":
                    norm = step.value
                    sent = DefendedUpdate(sent.delta * min(1.0, norm / max(float(sent.delta.norm()), norm)), sent.mask)
                case "noise":
                    sent = _noised(sent, step.value**0.5 * reach, generator)
                case "gaussian":
                    sent = _noised(sent, step.value * norm, generator)
        return sent

    @property
    def noise_multiplier(self) -> float | None:
        """The Gaussian mechanism's noise as a multiple of the update's greatest norm. None without one, or after
        a sparsification, whose choice of entries no noise hides."""
        for step in self.steps:
            if step.kind == "sparsify":
                return None
            if step.kind == "gaussian":
                return step.value
        return None


def _step(part: str, text: str) -> Step:
    kind, equals, value = (piece.strip() for piece in part.partition("="))
    try:
        step = Step(kind, float(value))
    except ValueError:
        step = Step(kind, float("nan"))
    if not equals or kind not in _IN_RANGE or not _IN_RANGE[kind](step.value):
        raise InputError(f'defence "{text}": "{part.strip()}" is not valid; valid: {VALID}')
    return step


def _sparsified(sent: DefendedUpdate, rate: float) -> DefendedUpdate:
    if rate == 0:
        return sent
    mask = torch.zeros_like(sent.delta, dtype=torch.bool)
    mask[largest_entries(sent.delta, rate)] = True
    return DefendedUpdate(torch.where(mask, sent.delta, 0.0), mask)


def _noised(sent: DefendedUpdate, deviation: float, generator: torch.Generator) -> DefendedUpdate:
    if deviation == 0:
        return sent
    noise = deviation * torch.randn(sent.delta.shape, generator=generator).to(sent.delta.device)
    return DefendedUpdate(sent.delta + (noise if sent.mask is None else noise * sent.mask), sent.mask)
