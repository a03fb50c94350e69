"""The composition root: from an experiment to the objects of the server, or of one client."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from stalefl.config.schema import Experiment
from stalefl.contracts import Dataset, InputError, Model, Split
from stalefl.data.federated import FederatedData
from stalefl.data.partition import Partition, draw_partition
from stalefl.data.partition_file import load_partition
from stalefl.data.place import data_context
from stalefl.data.setup import train_labels
from stalefl.run.parts import (
    build_model,
    check_classes,
    evaluated_split,
    load_dataset,
    load_methods,
    local_training,
)
from stalefl.seeds import named_rng
from stalefl.server.coordinator import Coordinator


class ServerSetup(NamedTuple):
    """The server, its initial model, and the test split, where there is one."""

    server: Coordinator
    weights: Tensor
    buffers: dict[str, Tensor]
    test: Split | None


class ClientSetup(NamedTuple):
    model: Model
    data: tuple[Tensor, Tensor]
    """Inputs [N, *shape] and targets [N] of one client."""


def set_up_server(experiment: Experiment) -> ServerSetup:
    """Raises InputError for whatever cannot work."""
    method, served = load_methods(experiment)
    if method.without_staleness:
        raise InputError(f"method {experiment.method.name} is a reference without late clients, for simulations only")
    dataset = _dataset(experiment)
    check_classes(experiment, dataset)
    built = build_model(experiment, dataset.spec)
    server = Coordinator(
        method=served,
        model=built.model,
        training=local_training(experiment.training),
        input_spec=built.input_spec,
        seed=experiment.run.seed,
        clients=_clients(experiment),
    )
    test = evaluated_split(experiment, dataset)
    return ServerSetup(server, built.weights, built.buffers, test if len(test) else None)


def set_up_client(experiment: Experiment, client: int) -> ClientSetup:
    """The model, and the samples of ``client`` in the experiment's partition, drawn as the simulator draws it."""
    dataset = _dataset(experiment)
    partition = _partition(experiment, dataset)
    if not 0 <= client < partition.clients:
        raise InputError(f"partition-id = {client}: the partition has clients 0 to {partition.clients - 1}")
    model = build_model(experiment, dataset.spec).model
    return ClientSetup(model, FederatedData(dataset, partition, model.device).client_data(client, round=1))


def _dataset(experiment: Experiment) -> Dataset:
    torch.set_num_threads(experiment.run.threads)
    return load_dataset(experiment, data_context(None, download=False))


def _partition(experiment: Experiment, dataset: Dataset) -> Partition:
    table = experiment.partition
    if table.file:
        return load_partition(Path(table.file))[0]
    generator = named_rng(experiment.run.seed, "partition")
    return draw_partition(train_labels(dataset), dataset.spec.classes, table, generator)


def _clients(experiment: Experiment) -> int:
    """How many clients there can be; a stored partition tells."""
    file = experiment.partition.file
    return load_partition(Path(file))[0].clients if file else experiment.partition.clients
