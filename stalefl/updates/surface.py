"""The loss around a model in a plane of weights, as a data set gives it (the paper's Figure 3).

Paper: Wang and Gao, AAAI 2025, "Estimating Local Data Distributions from Stale Model Updates": D_rec serves its purpose
if its loss surface around the weights the client was given is like that of the client's own data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.contracts import Model
from stalefl.training.local_update import Loss


@dataclass(frozen=True)
class Plane:
    """The weights ``centre + x * right + y * up``, all [P]; ``right`` and ``up`` are orthogonal and equally long."""

    centre: Tensor
    right: Tensor
    up: Tensor

    @classmethod
    def around(cls, centre: Tensor, right: Tensor, towards: Tensor) -> Plane:
        """Its second direction is the part of ``towards`` [P] that is orthogonal to ``right``."""
        length = right.norm()
        up = towards - (torch.dot(towards, right) / length**2) * right
        return cls(centre, right, up * (length / up.norm()))

    def at(self, x: float, y: float) -> Tensor:
        """The weights [P] at a point."""
        return self.centre + x * self.right + y * self.up

    def cosines(self, direction: Tensor) -> tuple[float, float]:
        """The shadow that a direction [P] casts on the plane: its cosines with the plane's own two."""
        length = direction.norm() * self.right.norm()
        return float(torch.dot(direction, self.right) / length), float(torch.dot(direction, self.up) / length)


@dataclass(frozen=True)
class Surface:
    """``losses`` [n, n] at y (rows) and x (columns) of ``ticks`` [n]; ``descent`` is the direction of the negative
    gradient at the centre in the plane's coordinates, of length 1 if it lies in the plane and shorter otherwise."""

    ticks: Tensor
    losses: Tensor
    descent: tuple[float, float]


@dataclass(frozen=True)
class LocalLoss:
    """The loss of local training on fixed data, as a function of the weights. Batch norm takes the data's statistics;
    there is no dropout."""

    model: Model
    buffers: Mapping[str, Tensor]
    inputs: Tensor
    targets: Tensor
    """[N] classes or [N, K] probabilities."""
    loss: Loss = cross_entropy

    def __call__(self, parameters: Sequence[Tensor]) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        logits = self.model.logits(parameters, buffers, self.model.inputs(self.inputs), train=True)
        return self.loss(logits, self.targets.to(self.model.device))

    @torch.no_grad()
    def at(self, weights: Tensor) -> float:
        return float(self(self.model.parameters(weights)))

    def gradient(self, weights: Tensor) -> Tensor:
        """[P]."""
        parameters = [p.detach().requires_grad_() for p in self.model.parameters(weights)]
        return self.model.layout.join(torch.autograd.grad(self(parameters), parameters))


def loss_surface(
    loss: LocalLoss, plane: Plane, ticks: Sequence[float], on_point: Callable[[], None] = lambda: None
) -> Surface:
    """Evaluate ``loss`` at every pair of ``ticks``."""
    losses = torch.empty(len(ticks), len(ticks))
    for row, y in enumerate(ticks):
        for column, x in enumerate(ticks):
            losses[row, column] = loss.at(plane.at(x, y))
            on_point()
    return Surface(torch.tensor(list(ticks)), losses, plane.cosines(-loss.gradient(plane.centre)))
