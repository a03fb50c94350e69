"""How the training samples are divided among the clients, and which clients are late. Pure: labels in, indices out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stalefl.config.schema import PartitionTable, StalenessTable
from stalefl.contracts import InputError
from stalefl.formatting import class_words, shortly

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Partition:
    """``indices[c]`` are the samples of client c: sorted positions in the training split, disjoint over clients."""

    indices: tuple[Indices, ...]

    @property
    def clients(self) -> int:
        return len(self.indices)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Samples per client."""
        return tuple(len(own) for own in self.indices)


def draw_partition(labels: Indices, classes: int, spec: PartitionTable, rng: np.random.Generator) -> Partition:
    """Divide the samples with these ``labels`` [N] (0 .. classes-1) among ``spec.clients`` clients.

    - ``dirichlet``, sizes ``equal``: every client gets the same number of samples, its class mix drawn from the
      symmetric Dirichlet(alpha) (Hsu et al. 2019; their concentration is ``alpha * classes``). Clients are served in
      random order; when a class runs out, the rest of a client's mix fills up from the classes that remain.
    - ``dirichlet``, sizes ``natural``: every class is divided among the clients in Dirichlet(alpha) proportions. A
      client left with nothing is given one sample of the largest client.
    - ``iid``: at random, as evenly as possible.
    - ``shards``: samples sorted by label are cut into ``clients * shards_per_client`` shards, dealt out at random
      (McMahan et al. 2016).
    - ``one-class``: client c holds samples of class ``c % classes`` only; the clients of a class share it as evenly as
      possible. With fewer clients than classes, the last classes are held by nobody.

    ``samples_per_client`` n > 0 gives every client n samples (``natural``: at most n) and leaves the others unused.
    Raises InputError if the samples do not suffice.
    """
    labels = np.asarray(labels)
    _check_enough(len(labels), spec)
    if spec.kind == "dirichlet" and spec.sizes == "equal":
        parts = _dirichlet_equal(labels, classes, spec, rng)
    elif spec.kind == "dirichlet":
        parts = _dirichlet_natural(labels, classes, spec, rng)
    elif spec.kind == "iid":
        parts = np.array_split(rng.permutation(len(labels)), spec.clients)
    elif spec.kind == "shards":
        parts = _shards(labels, spec, rng)
    else:
        parts = _one_class(labels, classes, spec, rng)
    if spec.samples_per_client:
        parts = _limit(parts, spec, rng)
    return Partition(tuple(np.sort(part).astype(np.int64) for part in parts))


def class_counts(partition: Partition, labels: Indices, classes: int) -> Indices:
    """Samples of each class at each client, [clients, classes]."""
    return np.stack([np.bincount(labels[own], minlength=classes) for own in partition.indices]).astype(np.int64)


def choose_late_clients(counts: Indices, spec: StalenessTable, rng: np.random.Generator) -> tuple[int, ...]:
    """The late clients in ascending order, given the class counts [clients, classes].

    ``affected-class``: the ``late_clients`` clients holding most samples of the affected classes together, ties by
    client id (the paper's setting, with one class); ``list``: as listed; ``random``: a random share. Raises InputError
    if a class or a listed client does not exist, nobody holds the classes, or there are fewer clients than should be
    late.
    """
    clients, classes = counts.shape
    check_affected_classes(spec, classes)
    if spec.late == "list":
        return _listed(spec, clients)
    if spec.late == "random":
        late = rng.choice(clients, size=int(spec.late_fraction * clients + 0.5), replace=False)
        return tuple(sorted(int(client) for client in late))
    if spec.late_clients > clients:
        raise InputError(f"staleness.late_clients is {spec.late_clients}, but there are only {clients} clients")
    held = counts[:, spec.affected_classes].sum(axis=1)
    if spec.late_clients and not held.any():
        affected = class_words(spec.affected_classes)
        raise InputError(f"no client holds samples of {affected} (staleness.affected_class)")
    most_first = np.argsort(-held, kind="stable")
    return tuple(sorted(int(client) for client in most_first[: spec.late_clients]))


def check_affected_classes(spec: StalenessTable, classes: int, names: Sequence[str] = ()) -> None:
    """Raises InputError for an affected class that is none of the data set's ``classes``, which ``names`` tells."""
    if max(spec.affected_classes) >= classes:
        called = "" if list(names) == [str(k) for k in range(len(names))] else f", which are {shortly(names)}"
        meant = [name for name in map(str, spec.affected_classes) if name in names]
        hint = "".join(f"; class {names.index(name)} has the name {name}" for name in meant[:1] if called)
        raise InputError(
            f"staleness.affected_class is {spec.affected_class}; classes are 0 to {classes - 1}{called}{hint}"
        )


def _listed(spec: StalenessTable, clients: int) -> tuple[int, ...]:
    if not spec.clients:
        raise InputError('staleness.late is "list", but staleness.clients is empty: list the late clients')
    unknown = sorted(client for client in set(spec.clients) if client >= clients)
    if unknown:
        raise InputError(f"staleness.clients names unknown clients {unknown}; clients are 0 to {clients - 1}")
    return tuple(sorted(set(spec.clients)))


def _check_enough(samples: int, spec: PartitionTable) -> None:
    needed = spec.clients * max(1, spec.samples_per_client)
    if spec.kind == "dirichlet" and spec.sizes == "natural":
        needed = spec.clients
    if needed <= samples:
        return
    if spec.samples_per_client and spec.clients <= samples:
        raise InputError(
            f"partition.samples_per_client is {spec.samples_per_client}: {spec.clients} clients need {needed} samples, "
            f"the data set has {samples}; valid: up to {samples // spec.clients}"
        )
    raise InputError(
        f"partition.clients is {spec.clients}, but the data set has only {samples} samples; valid: up to {samples}"
    )


def _pools(labels: Indices, classes: int, rng: np.random.Generator) -> list[Indices]:
    """The samples of each class, shuffled."""
    return [rng.permutation(np.flatnonzero(labels == label)) for label in range(classes)]


def _class_mix(alpha: float, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    mix = rng.dirichlet(np.full(size, alpha))
    if not np.isclose(mix.sum(), 1.0):
        raise InputError(
            f"partition.alpha is {alpha}: no Dirichlet distribution can be drawn with it; use 0.001 to 1000"
        )
    return mix


def _dirichlet_equal(labels: Indices, classes: int, spec: PartitionTable, rng: np.random.Generator) -> list[Indices]:
    pools = _pools(labels, classes, rng)
    left = np.array([len(pool) for pool in pools])
    size = spec.samples_per_client or len(labels) // spec.clients
    parts = [labels[:0]] * spec.clients
    for client in rng.permutation(spec.clients):
        counts = _fill(left, size, spec.alpha, rng)
        parts[client] = np.concatenate([pool[n - k : n] for pool, n, k in zip(pools, left, counts, strict=True)])
        left = left - counts
    return parts


def _fill(left: Indices, size: int, alpha: float, rng: np.random.Generator) -> Indices:
    """``size`` draws from one Dirichlet class mix [K] without exceeding what is ``left`` [K] of each class."""
    mix = _class_mix(alpha, len(left), rng)
    counts = np.zeros_like(left)
    while (missing := size - counts.sum()) > 0:
        remains = counts < left
        mix = np.where(remains, mix, 0.0)
        if mix.sum() <= 0:  # all its weight lay on classes that ran out
            mix[remains] = _class_mix(alpha, int(remains.sum()), rng)
        counts = np.minimum(counts + rng.multinomial(missing, mix / mix.sum()), left)
    return counts


def _dirichlet_natural(labels: Indices, classes: int, spec: PartitionTable, rng: np.random.Generator) -> list[Indices]:
    parts: list[list[int]] = [[] for _ in range(spec.clients)]
    for pool in _pools(labels, classes, rng):
        counts = rng.multinomial(len(pool), _class_mix(spec.alpha, spec.clients, rng))
        for part, own in zip(parts, np.split(pool, np.cumsum(counts)[:-1]), strict=True):
            part.extend(own)
    for part in parts:
        if not part:
            largest = max(parts, key=len)
            part.append(largest.pop(int(rng.integers(len(largest)))))
    return [np.array(part, dtype=np.int64) for part in parts]


def _shards(labels: Indices, spec: PartitionTable, rng: np.random.Generator) -> list[Indices]:
    shards = spec.clients * spec.shards_per_client
    if shards > len(labels):
        raise InputError(
            f"partition.shards_per_client is {spec.shards_per_client}: {shards} shards are needed, "
            f"but the data set has only {len(labels)} samples; valid: up to {len(labels) // spec.clients}"
        )
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    cut = np.array_split(by_label, shards)
    return [np.concatenate([cut[shard] for shard in own]) for own in rng.permutation(shards).reshape(spec.clients, -1)]


def _one_class(labels: Indices, classes: int, spec: PartitionTable, rng: np.random.Generator) -> list[Indices]:
    parts: list[Indices] = [np.empty(0, dtype=np.int64)] * spec.clients
    for label, pool in enumerate(_pools(labels, classes, rng)):
        holders = range(label, spec.clients, classes)
        if len(holders) > len(pool):
            raise InputError(
                f"one-class partition: {len(holders)} clients would share the {len(pool)} samples of class {label}; "
                f"lower partition.clients (now {spec.clients})"
            )
        if holders:
            for client, own in zip(holders, np.array_split(pool, len(holders)), strict=True):
                parts[client] = own
    return parts


def _limit(parts: list[Indices], spec: PartitionTable, rng: np.random.Generator) -> list[Indices]:
    """A random ``samples_per_client`` of each client's samples."""
    limit = spec.samples_per_client
    if spec.kind == "dirichlet" and spec.sizes == "natural":
        return [rng.permutation(part)[:limit] for part in parts]
    for client, part in enumerate(parts):
        if len(part) < limit:
            raise InputError(
                f"partition.samples_per_client is {limit}, but only {len(part)} samples fall to client {client} "
                f"of this {spec.kind} partition"
            )
    return [rng.permutation(part)[:limit] for part in parts]
