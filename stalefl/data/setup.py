"""From a configuration to a partition and its late clients: one step for `stalefl partition` and the simulation."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from stalefl.config.schema import PartitionTable, StalenessTable
from stalefl.contracts import Dataset, InputError
from stalefl.data.partition import (
    Indices,
    Partition,
    check_affected_classes,
    choose_late_clients,
    class_counts,
    draw_partition,
)
from stalefl.data.partition_file import load_partition
from stalefl.data.trace import late_in_trace, read_trace
from stalefl.seeds import named_rng


def prepare_partition(
    dataset: Dataset, partition_table: PartitionTable, staleness_table: StalenessTable, seed: int
) -> tuple[Partition, tuple[int, ...]]:
    """Draw the partition and choose the late clients, or read both from ``partition_table.file``.

    A file takes the place of every other key of ``[partition]``, the number of clients included. If it names late
    clients, they must be those that ``[staleness]`` asks for. A trace says itself who is late. Raises InputError if
    anything does not fit.
    """
    labels, classes = train_labels(dataset), dataset.spec.classes
    if not partition_table.file:
        partition = draw_partition(labels, classes, partition_table, named_rng(seed, "partition"))
        stored: tuple[int, ...] = ()
    else:
        partition, stored, meta = load_partition(Path(partition_table.file))
        _check_fits(partition, meta, labels, dataset, partition_table.file)
    check_affected_classes(staleness_table, classes, dataset.spec.class_names)
    if staleness_table.schedule == "trace":
        late = late_in_trace(read_trace(staleness_table.trace, partition.clients))
    else:
        late = choose_late_clients(
            class_counts(partition, labels, classes), staleness_table, named_rng(seed, "late-clients")
        )
    if not stored:
        return partition, late
    drawn = staleness_table.late == "random" and staleness_table.schedule != "trace"
    agrees = len(stored) == len(late) if drawn else stored == late
    if not agrees:
        raise InputError(
            f"{partition_table.file} names the late clients {list(stored)}, [staleness] asks for {list(late)}: give "
            "affected_class, late and late_clients as when the file was made, or make it anew"
        )
    return partition, stored


def partition_meta(
    dataset: Dataset, partition_table: PartitionTable, staleness_table: StalenessTable, seed: int
) -> dict[str, Any]:
    """What a stored partition says of itself; the fingerprint ties it to the data set's training labels."""
    return {
        "dataset": dataset.name,
        "samples": len(dataset.train),
        "labels": label_fingerprint(train_labels(dataset)),
        "seed": seed,
        "partition": partition_table.model_dump(mode="json"),
        "staleness": staleness_table.model_dump(mode="json"),
    }


def train_labels(dataset: Dataset) -> Indices:
    """The labels [N] of the training split."""
    return dataset.train.targets.cpu().numpy().astype(np.int64)


def label_fingerprint(labels: Indices) -> str:
    return hashlib.blake2b(labels.tobytes(), digest_size=16).hexdigest()


def _check_fits(partition: Partition, meta: dict[str, Any], labels: Indices, dataset: Dataset, file: str) -> None:
    if meta.get("labels", "") != label_fingerprint(labels):
        raise InputError(
            f"{file} was made for other training samples ({meta.get('dataset')}, {meta.get('samples')}) than "
            f"{dataset.name}'s {len(labels)}"
        )
    if max(int(own[-1]) for own in partition.indices) >= len(labels):
        raise InputError(f"{file} names samples that {dataset.name} does not have")
