"""The updates under attack: what an attacker sees of each, and, apart from it, the samples behind it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stalefl.audit.defences import Defence
from stalefl.config.schema import Experiment
from stalefl.contracts import Exposure, InputSpec, LocalTraining, Model
from stalefl.records.audit_folder import AuditFolder
from stalefl.run.parts import build_model, local_training
from stalefl.seeds import named_generator
from stalefl.storage import load_tree, save_tree
from stalefl.training.embedding import as_vectors
from stalefl.updates.observed import ObservedUpdate

MOSTLY_ZERO = 0.8
"""Share of zeros above which an update from elsewhere is taken for one that its client has sparsified."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Truth:
    """The samples a client trained on: ``inputs`` [N, *shape], tokens as their vectors, and ``targets`` [N]."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Case:
    """One client's update before its defences. ``sent`` [P] bool are the entries it holds, None: all."""

    delta: Tensor
    sent: Tensor | None
    base_weights: Tensor
    buffers: Mapping[str, Tensor]
    samples: int
    title: str = ""

    @classmethod
    def of(cls, observed: ObservedUpdate, title: str) -> Case:
        """An update from elsewhere of which most entries are exactly zero is taken for a sparsified one, with a
        warning. In our own every zero is a gradient's: rectifiers at rest give many."""
        update = observed.update
        nonzero = update.delta != 0
        zeros = 1 - float(nonzero.float().mean())
        sparse = observed.from_elsewhere and zeros > MOSTLY_ZERO
        if sparse:
            logger.warning("%.0f%% of the update are zeros: they are taken for entries that were not sent", 100 * zeros)
        # The buffers that the client started from; those it ended with would tell of its data.
        buffers = observed.view.buffers
        return cls(update.delta, nonzero if sparse else None, update.base_weights, buffers, update.samples, title)

    def to_tree(self) -> dict[str, Any]:
        return {**vars(self), "buffers": dict(self.buffers)}


def truth_of(observed: ObservedUpdate) -> Truth | None:
    """None where nobody knows what the client trained on."""
    if observed.client_data is None:
        return None
    inputs, targets = observed.client_data
    return Truth(as_vectors(inputs, observed.token_table), targets)


def cases_of(updates: Sequence[tuple[str, ObservedUpdate]]) -> tuple[list[Case], list[Truth | None]]:
    """The cases of titled updates, and apart from them the truth of each."""
    return [Case.of(update, title) for title, update in updates], [truth_of(update) for _, update in updates]


def store_cases(folder: AuditFolder, cases: Sequence[Case], truths: Sequence[Truth | None]) -> None:
    """Truths have a file of their own, which no attack reads."""
    save_tree(folder.truth, [None if truth is None else dict(vars(truth)) for truth in truths])
    save_tree(folder.cases, [case.to_tree() for case in cases])


def load_cases(folder: AuditFolder) -> list[Case]:
    return [Case(**tree) for tree in load_tree(folder.cases)]


def load_truths(folder: AuditFolder) -> list[Truth | None]:
    return [None if tree is None else Truth(**tree) for tree in load_tree(folder.truth)]


@dataclass(frozen=True)
class Bench:
    """What every attack of an audit has in common: the model, the clients' local program and the updates."""

    model: Model
    training: LocalTraining
    spec: InputSpec
    """Of what attacks recover; see ``optimised_spec``."""
    cases: Sequence[Case]
    seed: int
    table: Tensor | None = None
    """[V, D], the vectors that stand for tokens in the space of ``spec``."""

    @classmethod
    def build(cls, experiment: Experiment, spec: InputSpec, cases: Sequence[Case]) -> Bench:
        # Its initial weights are not used, whatever they are: a case has its own.
        built = build_model(experiment, spec).with_weights(cases[0].base_weights, cases[0].buffers)
        training, seed = local_training(experiment.training), experiment.run.seed
        return cls(built.model, training, built.input_spec, cases, seed, built.token_table)

    def exposure(self, case: int, defence: Defence, generator: torch.Generator | None = None) -> Exposure:
        """What an attacker sees of a case under a defence. The defence's draws are the same for every attack."""
        client, device = self.cases[case], self.model.device
        noise = named_generator(self.seed, f"defence:{defence}", case)
        reach = self.training.reach(self.training.steps(client.samples))
        sent = defence.apply(client.delta, reach, noise)
        mask = _both(client.sent, sent.mask)
        return Exposure(
            delta=(sent.delta if mask is None else sent.delta * mask).to(device),
            sent=None if mask is None else mask.to(device),
            base_weights=client.base_weights.to(device),
            buffers={name: buffer.to(device) for name, buffer in client.buffers.items()},
            model=self.model,
            training=self.training,
            samples=client.samples,
            input_spec=self.spec,
            generator=generator or named_generator(self.seed, "exposure", case),
        )


def _both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """The entries in both masks [P]; None: all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
