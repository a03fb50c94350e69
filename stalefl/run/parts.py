"""The parts of an experiment, built in one place for runs, updates, audits and plugins alike."""

from __future__ import annotations

from stalefl.config.schema import Experiment, TrainingTable
from stalefl.contracts import Compensator, LocalTraining, Observer
from stalefl.registry import load_registry
from stalefl.server.optimizer import with_server_optimizer


def load_methods(experiment: Experiment) -> tuple[Compensator, Compensator]:
    """The method of an experiment of one, by itself and with the server's optimiser. Raises InputError."""
    name = str(experiment.method.name)
    method = load_registry().create("method", name, experiment.method.options)
    return method, with_server_optimizer(method, name, experiment.server)


def local_training(table: TrainingTable) -> LocalTraining:
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
    """Those that the experiment names. Raises InputError for an unknown name and for options that are not valid."""
    table = experiment.observers
    return [load_registry().create("observer", name, table.options.get(name)) for name in table.names]
