"""The client's local program, as the server replays it on D_rec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.contracts import LocalTraining, Model
from stalefl.inversion.d_rec import DRec
from stalefl.training.local_update import Loss, functional_update, local_update


@dataclass(frozen=True)
class Program:
    """As many steps as the client makes, each on all of D_rec, which stands for the client's data as a whole."""

    model: Model
    training: LocalTraining
    buffers: Mapping[str, Tensor]
    steps: int
    loss: Loss = cross_entropy

    @classmethod
    def of_client(
        cls,
        model: Model,
        training: LocalTraining,
        buffers: Mapping[str, Tensor],
        samples: int,
        *,
        replay_steps: int = 0,
        loss: Loss = cross_entropy,
    ) -> Program:
        """The program of a client with so many samples.

        With ``replay_steps`` a client's longer program is replayed in that many steps, with a learning rate that makes
        them reach as far; 0 replays every step.
        """
        steps = training.steps(samples)
        if 0 < replay_steps < steps:
            longer_stride = training.reach(steps) / training.reach(replay_steps)
            training, steps = replace(training, lr=training.lr * longer_stride), replay_steps
        return cls(model, training, buffers, steps, loss)

    def run(self, weights: Tensor, inputs: Tensor, labels: Tensor, create_graph: bool = False) -> Tensor:
        """LocalUpdate(weights; inputs, labels) as a delta [P]."""
        return local_update(
            self.model,
            weights,
            self.buffers,
            inputs,
            labels,
            self.training,
            plan=[None] * self.steps,
            loss=self.loss,
            create_graph=create_graph,
        ).delta

    def run_functionally(
        self, weights: Tensor, buffers: Mapping[str, Tensor], inputs: Tensor, labels: Tensor
    ) -> Tensor:
        """``run`` in torch.func's terms, for a computation under vmap, where the buffers are batched."""
        return functional_update(self.model, weights, buffers, inputs, labels, self.training, self.steps, self.loss)

    def train_on(self, data: DRec, weights: Tensor) -> Tensor:
        """The delta [P] that training from ``weights`` on D_rec gives: the estimate of the unstale update."""
        return self.run(weights, data.inputs, data.labels)
