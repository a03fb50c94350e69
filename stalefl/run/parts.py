"""The parts of an experiment, built in one place for runs, updates, audits and plugins alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from stalefl.config.schema import Experiment, TrainingTable
from stalefl.contracts import (
    Compensator,
    DataContext,
    Dataset,
    InputError,
    InputSpec,
    LocalTraining,
    ModelPlugin,
    Observer,
    Split,
)
from stalefl.data.adapt import adapted
from stalefl.data.subset import stratified_subset
from stalefl.machine.devices import resolve_device
from stalefl.registry import load_registry
from stalefl.seeds import named_generator, named_rng
from stalefl.server.optimizer import with_server_optimizer
from stalefl.training.embedding import optimised_spec, token_table
from stalefl.training.model import FlatModel, build_flat_model

# --- data -----------------------------------------------------------------------------------------------------------


def load_dataset(experiment: Experiment, context: DataContext) -> Dataset:
    """The data set of ``[data]``. Raises InputError for a wrong name or option, and for data that are not there."""
    dataset: Dataset = load_registry().create("dataset", experiment.data.dataset, experiment.data.options).load(context)
    return dataset


def load_drift_dataset(experiment: Experiment, context: DataContext, dataset: Dataset) -> Dataset | None:
    """The data set to which ``dataset`` drifts, with inputs as the latter has them; None without drift.

    Raises InputError as ``load_dataset`` does, and for a data set that cannot be adapted.
    """
    drift = experiment.drift
    if not drift.dataset:
        return None
    second = load_registry().create("dataset", drift.dataset, drift.options).load(context)
    return adapted(second, dataset.spec, dataset.name)


def check_classes(experiment: Experiment, dataset: Dataset) -> None:
    """Raises InputError unless ``dataset`` has the affected classes."""
    classes, table = dataset.spec.classes, experiment.staleness
    if max(table.affected_classes) >= classes:
        raise InputError(
            f"staleness.affected_class = {table.affected_class}: {dataset.name} has classes 0 to {classes - 1}"
        )


def evaluated_split(experiment: Experiment, dataset: Dataset) -> Split:
    """The part of the test split on which each round is evaluated."""
    generator = named_rng(experiment.run.seed, "test-samples")
    return stratified_subset(dataset.test, experiment.evaluation.test_samples, generator)


# --- model ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BuiltModel:
    """A model on its device, with weights [P] and buffers, and the inputs of its data set."""

    model: FlatModel
    weights: Tensor
    buffers: dict[str, Tensor]
    dataset_spec: InputSpec

    @property
    def token_table(self) -> Tensor | None:
        """The vectors [V, D] that these weights give to tokens; None for a model that takes no tokens."""
        return token_table(self.model, self.weights, self.buffers)

    @property
    def input_spec(self) -> InputSpec:
        """Inputs as methods and attacks see them: tokens are the vectors of ``token_table``; see ``optimised_spec``."""
        return optimised_spec(self.dataset_spec, self.token_table)

    def with_weights(self, weights: Tensor, buffers: Mapping[str, Tensor]) -> BuiltModel:
        """The model with other weights [P] and other buffers; a buffer that is not among ``buffers`` stays."""
        return replace(self, weights=weights, buffers={**self.buffers, **buffers})


def build_model(experiment: Experiment, dataset_spec: InputSpec) -> BuiltModel:
    """The model of ``[model]`` on the device of the run, with the initial weights of the run's seed.

    Raises InputError for an unknown name, invalid options, a device that is not there and inputs that do not fit.
    """
    plugin: ModelPlugin = load_registry().create("model", experiment.model.name, experiment.model.options)
    generator = named_generator(experiment.run.seed, "initial-weights")
    device = resolve_device(experiment.run.device)
    return BuiltModel(*build_flat_model(plugin, dataset_spec, generator, device), dataset_spec)


# --- method, local program, observers -------------------------------------------------------------------------------


def load_methods(experiment: Experiment) -> tuple[Compensator, Compensator]:
    """The method of an experiment of one, by itself and with the server's optimiser. Raises InputError."""
    name = str(experiment.method.name)
    method = load_registry().create("method", name, experiment.method.options)
    return method, with_server_optimizer(method, name, experiment.server)


def local_training(table: TrainingTable) -> LocalTraining:
    """The program that every client runs."""
    return LocalTraining(
        local_epochs=table.local_epochs,
        batch_size=table.batch_size,
        lr=table.lr,
        momentum=table.momentum,
        weight_decay=table.weight_decay,
        nesterov=table.nesterov,
        optimizer=table.optimizer,
        proximal_mu=table.proximal_mu,
    )


def make_observers(experiment: Experiment) -> list[Observer]:
    """The observers that the experiment names. Raises InputError for an unknown name and for invalid options."""
    table = experiment.observers
    return [load_registry().create("observer", name, table.options.get(name)) for name in table.names]
