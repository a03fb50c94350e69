"""The composition root: from an experiment to the objects of the server, or of one client."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from stalefl.config.schema import Experiment
from stalefl.contracts import Dataset, InputError, Model, Split
from stalefl.data.federated import FederatedData
from stalefl.data.partition import draw_partition
from stalefl.data.partition_file import load_partition
from stalefl.data.place import data_context
from stalefl.data.setup import train_labels
from stalefl.data.subset import stratified_subset
from stalefl.machine.devices import resolve_device
from stalefl.registry import load_registry
from stalefl.run.parts import load_methods, local_training
from stalefl.seeds import named_generator, named_rng
from stalefl.server.coordinator import Coordinator
from stalefl.training.model import build_flat_model


class ServerSetup(NamedTuple):
    """Of the data set the server keeps what the model's inputs look like, and the test split, where there is one."""

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
    seed = experiment.run.seed
    method, served = load_methods(experiment)
    if method.without_staleness:
        raise InputError(f"method {experiment.method.name} is a reference without late clients, for simulations only")
    dataset = _dataset(experiment)
    classes = dataset.spec.classes
    if max(experiment.staleness.affected_classes) >= classes:
        raise InputError(
            f"staleness.affected_class = {experiment.staleness.affected_class}: {dataset.name} has classes "
            f"0 to {classes - 1}"
        )
    model, weights, buffers = _model(experiment, dataset)
    clients = _clients(experiment)
    server = Coordinator(served, model, local_training(experiment.training), dataset.spec, seed, clients)
    test = stratified_subset(dataset.test, experiment.evaluation.test_samples, named_rng(seed, "test-samples"))
    return ServerSetup(server, weights, buffers, test if len(test) else None)


def set_up_client(experiment: Experiment, client: int) -> ClientSetup:
    """The model, and the samples of ``client`` in the experiment's partition, drawn as the simulator draws it."""
    dataset = _dataset(experiment)
    table = experiment.partition
    if table.file:
        partition = load_partition(Path(table.file))[0]
    else:
        generator = named_rng(experiment.run.seed, "partition")
        partition = draw_partition(train_labels(dataset), dataset.spec.classes, table, generator)
    if not 0 <= client < partition.clients:
        raise InputError(f"partition-id = {client}: the partition has clients 0 to {partition.clients - 1}")
    model, _, _ = _model(experiment, dataset)
    return ClientSetup(model, FederatedData(dataset, partition, model.device).client_data(client, round=1))


def _dataset(experiment: Experiment) -> Dataset:
    data = experiment.data
    return load_registry().create("dataset", data.dataset, data.options).load(data_context(None, download=False))


def _model(experiment: Experiment, dataset: Dataset) -> tuple[Model, Tensor, dict[str, Tensor]]:
    torch.set_num_threads(experiment.run.threads)
    plugin = load_registry().create("model", experiment.model.name, experiment.model.options)
    generator = named_generator(experiment.run.seed, "initial-weights")
    return build_flat_model(plugin, dataset.spec, generator, resolve_device(experiment.run.device))


def _clients(experiment: Experiment) -> int:
    """How many clients there can be; a stored partition tells."""
    file = experiment.partition.file
    return load_partition(Path(file))[0].clients if file else experiment.partition.clients
