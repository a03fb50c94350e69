"""Data that change during training: the clients' samples are replaced, round by round, by those of a second domain.

The second scenario of Wang and Gao, AAAI 2025 ("variant data"): MNIST at the clients, random samples of which are
continuously replaced by new ones of SVHN. Why it is as it is: docs/decisions/0009.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stalefl.config.schema import DriftTable
from stalefl.contracts import Dataset, InputError, Split
from stalefl.data.federated import FederatedData
from stalefl.data.partition import Indices, Partition
from stalefl.seeds import named_rng

WHOLE_SAMPLE_SLACK = 1e-9


@dataclass(frozen=True)
class Replacement:
    """A client's samples [N] in the order in which they go, and what takes their place."""

    positions: Indices
    """[N], among the client's own samples."""
    indices: Indices
    """[N], in the second domain's training split."""


def replaced_samples(spec: DriftTable, round: int, samples: int) -> int:
    """How many of a client's ``samples`` have been replaced in ``round``: ``rate`` times the rounds from
    ``start_round`` on, that one included, whole ones only."""
    rounds = max(0, round - spec.start_round + 1)
    return min(samples, math.floor(spec.rate * rounds + WHOLE_SAMPLE_SLACK))


def draw_replacement(labels: Indices, pool: Indices, spec: DriftTable, seed: int, client: int) -> Replacement:
    """For a client with these ``labels`` [N], from a second domain with the labels ``pool`` [M].

    Every sample of the domain is taken once before any is taken again; clients draw apart, so two may hold the same
    one. With ``keep_labels`` each goes to a place of its own class, which the domain must have.
    """
    if spec.order == "sorted":
        positions = np.argsort(labels, kind="stable")
    else:
        positions = named_rng(seed, "drift-order", client).permutation(len(labels))
    rng = named_rng(seed, "drift-samples", client)
    if not spec.keep_labels:
        return Replacement(positions, np.resize(rng.permutation(len(pool)), len(labels)))
    indices = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        places = np.flatnonzero(labels[positions] == label)
        indices[places] = np.resize(rng.permutation(np.flatnonzero(pool == label)), len(places))
    return Replacement(positions, indices)


class DriftingData(FederatedData):
    """Clients' data of which those of some clients drift to a second domain.

    ``second`` is that domain, adapted to the inputs of ``dataset``; ``drifting`` names the clients. Raises InputError
    if the domain lacks a class that it must replace, or that its test split must measure.
    """

    def __init__(
        self,
        dataset: Dataset,
        partition: Partition,
        second: Dataset,
        spec: DriftTable,
        drifting: Iterable[int],
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(dataset, partition, device, copies=2)
        self.second = second
        self.drift = spec
        labels, self._pool = _labels(dataset.train), _labels(second.train)
        own = {client: labels[partition.indices[client]] for client in sorted(drifting)}
        for client in own:
            _check_classes(own[client], second, spec)
        self._replacements = {
            client: draw_replacement(held, self._pool, spec, seed, client) for client, held in own.items()
        }
        self._labels = own
        self._held = np.bincount(
            np.concatenate([labels[part] for part in partition.indices]), minlength=dataset.spec.classes
        )
        self._new: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self._second_test: Split | None = None

    def client_data(self, client: int, round: int) -> tuple[Tensor, Tensor]:
        """Inputs float32 [N, *spec.shape] and targets int64 [N] that ``client`` holds in ``round``, on the device; a
        sample and the one that takes its place stand at the same position."""
        inputs, targets = super().client_data(client, round)
        count = self.replaced(client, round)
        if not count:
            return inputs, targets
        positions, new_inputs, new_targets = self._newcomers(client)
        inputs, targets = inputs.clone(), targets.clone()
        inputs[positions[:count]] = new_inputs[:count]
        targets[positions[:count]] = new_targets[:count]
        return inputs, targets

    def replaced(self, client: int, round: int) -> int:
        """How many of the client's samples are of the second domain in a round."""
        return replaced_samples(self.drift, round, self.samples(client)) if client in self._replacements else 0

    def replaced_share(self, round: int) -> float:
        """Of all clients' samples."""
        return sum(self.replaced(client, round) for client in self._replacements) / sum(self.partition.sizes)

    def class_shares(self, round: int) -> list[float]:
        """[K], the share of each class, as all clients hold it, that is of the second domain; 0 where nobody does."""
        classes = self.spec.classes
        gone, come = np.zeros(classes, dtype=np.int64), np.zeros(classes, dtype=np.int64)
        for client, replacement in self._replacements.items():
            count = self.replaced(client, round)
            gone += np.bincount(self._labels[client][replacement.positions[:count]], minlength=classes)
            come += np.bincount(self._pool[replacement.indices[:count]], minlength=classes)
        shares: NDArray[np.float64] = come / np.maximum(self._held - gone + come, 1)
        return shares.tolist()

    @property
    def second_test(self) -> Split:
        """The second domain's test split, converted as ``test`` is."""
        if self._second_test is None:
            self._second_test = self._converted(self.second.test)
        return self._second_test

    def _newcomers(self, client: int) -> tuple[Tensor, Tensor, Tensor]:
        """Positions [N], inputs [N, *shape] and targets [N] of all that will take a place at the client."""
        if client in self._new:
            return self._new[client]
        replacement = self._replacements[client]
        inputs, targets = self.second.train.take(torch.from_numpy(replacement.indices))
        positions = torch.from_numpy(replacement.positions).to(self.device)
        new = positions, inputs.to(self.device), targets.to(self.device)
        if self._caching:
            self._new[client] = new
        return new


def _labels(split: Split) -> Indices:
    return split.targets.cpu().numpy().astype(np.int64)


def _check_classes(held: Indices, second: Dataset, spec: DriftTable) -> None:
    """Raises InputError for a class that the second domain lacks where it is needed."""
    train = set(np.unique(_labels(second.train)).tolist())
    needed = set(np.unique(held).tolist()) if spec.keep_labels else train
    for where, there in (("training", train), ("test", set(np.unique(_labels(second.test)).tolist()))):
        if lacking := sorted(needed - there):
            raise InputError(
                f"drift.dataset = {second.name} has no {where} samples of class {lacking[0]}; valid: one with all"
            )
