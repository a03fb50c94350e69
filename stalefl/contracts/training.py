"""The local program: what every client runs in a round, and what a method may know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LocalTraining:
    """The program every client runs, on cross-entropy. ``batch_size`` 0 is the full batch.

    ``optimizer`` steps as torch.optim.SGD or torch.optim.Adam do; Adam has torch's default constants and uses neither
    ``momentum`` nor ``nesterov``. ``proximal_mu`` is FedProx's mu (Li et al., MLSys 2020): the loss gets
    mu / 2 |w - w_start|^2, that is, the gradient mu (w - w_start), before the optimiser sees it.

    What is left out is switched off; an experiment's defaults are those of its table ``[training]``.
    """

    local_epochs: int
    batch_size: int = 0
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    optimizer: Literal["sgd", "adam"] = "sgd"
    proximal_mu: float = 0.0

    def steps(self, samples: int) -> int:
        """Optimiser steps that a client with so many samples makes in one round."""
        batches = 1 if self.batch_size == 0 else -(-samples // self.batch_size)
        return self.local_epochs * batches

    def reach(self, steps: int) -> float:
        """How far so many steps, from rest, carry the weights against a constant gradient, per unit of it."""
        if self.optimizer == "adam":
            return self.lr * steps
        ahead = int(self.nesterov)
        velocities = (1 - self.momentum ** (step + ahead) for step in range(1, steps + 1))
        return self.lr * sum(velocities) / (1 - self.momentum)

    def path_length(self, samples: int) -> float:
        """How far the round of a client with so many samples goes, per unit of gradient: -update / this is a gradient.

        SGD: lr * steps / (1 - momentum), what a constant gradient gives in many steps, without weight decay and
        proximal term. Adam: lr * steps, a convention. It has no such length: an update is lr-sized whatever the
        gradient, so -update / this is a mean direction with entries of about -1 to 1 and not in the gradient's scale.
        """
        momentum = self.momentum if self.optimizer == "sgd" else 0.0
        return self.lr * self.steps(samples) / (1 - momentum)
