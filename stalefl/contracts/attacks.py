"""What an attack sees, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stalefl.contracts.base import AnyOptions, Options
from stalefl.contracts.data import InputSpec
from stalefl.contracts.model import Model
from stalefl.contracts.training import LocalTraining

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Exposure:
    """All that one sees who receives a client's update: the update as it was sent, and what a server knows anyway."""

    delta: Tensor
    """[P], weights after local training minus those before, after the client's defences; 0 where nothing was sent."""
    sent: Tensor | None
    """[P] bool, the entries that were sent; None: all of them."""
    base_weights: Tensor
    """[P], the weights the client was given."""
    buffers: Mapping[str, Tensor]
    model: Model
    training: LocalTraining
    """The local program that every client runs."""
    samples: int
    """How many samples the client reports to train on."""
    input_spec: InputSpec
    generator: torch.Generator
    """Named by (seed, attack, defence, case, restart)."""

    @property
    def gradient(self) -> Tensor:
        """[P], the gradient that, held constant, would have given the update: after one SGD step the loss's own, up to
        rounding; after several a mean along the client's way."""
        return self.delta / -self.training.reach(self.training.steps(self.samples))


class Leak(NamedTuple):
    """What an attack recovered."""

    labels: Tensor
    """[M, K], one distribution over the classes per recovered sample, in no particular order."""
    inputs: Tensor | None = None
    """[M, *shape], within the value range, in the order of ``labels``; None from an attack on labels alone."""
    loss: float = 0.0
    """What the attack minimised: of several restarts the one with the least is kept."""
    iterations: int = 0


class Attack:
    """Recovers what it can from one update. It is given no data and no truth, and draws only from
    ``exposure.generator``. Register the class with the hook ``stalefl_attacks``.
    """

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options
    draws: ClassVar[bool] = True
    """False for an attack that makes no random choice, which a restart would only repeat."""

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def unfit(self, exposure: Exposure) -> str:
        """Why the attack cannot be made on this update, in a few words; empty where it can. Default: it can."""
        return ""

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        """One attempt. ``on_progress`` is told from time to time which share of it, from 0 to 1, is done."""
        raise NotImplementedError(f"{type(self).__name__} does not define attack")
