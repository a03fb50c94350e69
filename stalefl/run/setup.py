"""The composition root: an experiment's tables -> objects -> run -> records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from stalefl.config.explain import one_line
from stalefl.config.schema import Experiment, ShadowTable
from stalefl.contracts import Compensator, DataContext, Dataset, InputError
from stalefl.data.drift import DriftingData
from stalefl.data.federated import FederatedData
from stalefl.data.partition import Partition
from stalefl.data.setup import prepare_partition
from stalefl.data.subset import stratified_subset
from stalefl.machine.devices import resolve_device
from stalefl.registry import load_registry
from stalefl.run.parts import (
    build_model,
    check_classes,
    evaluated_split,
    load_dataset,
    load_drift_dataset,
    load_methods,
    local_training,
)
from stalefl.seeds import named_rng
from stalefl.simulation import engine
from stalefl.simulation.arrivals import Job, first_late_arrival, plan


@dataclass(frozen=True)
class Run:
    """The objects of one run: one method, one seed."""

    experiment: Experiment
    data: FederatedData
    late_clients: tuple[int, ...]
    first_late_round: int | None
    simulation: engine.Simulation
    start: engine.SimulationState


def build_run(experiment: Experiment, context: DataContext) -> Run:
    """Everything a run needs, before anything is written. Raises InputError for whatever cannot work."""
    seed = experiment.run.seed
    method, served = load_methods(experiment)
    shadows = {label: _shadow(label, table) for label, table in experiment.evaluation.shadows.items()}
    # A device that is not there is refused before data are read, or fetched.
    device = resolve_device(experiment.run.device)
    dataset = load_dataset(experiment, context)
    check_classes(experiment, dataset)
    partition, late_clients = prepare_partition(dataset, experiment.partition, experiment.staleness, seed)
    built = build_model(experiment, dataset.spec)
    late_jobs = _plan(experiment, partition.clients, late_clients)
    first_late = first_late_arrival(job for job in late_jobs if job.arrived_round <= experiment.run.rounds)
    dataset = replace(dataset, test=evaluated_split(experiment, dataset))
    data = _data(experiment, context, dataset, partition, late_clients, device)
    simulation = engine.Simulation(
        model=built.model,
        method=served,
        data=data,
        input_spec=built.input_spec,
        training=local_training(experiment.training),
        jobs=_plan(experiment, partition.clients, (), all_on_time=True) if method.without_staleness else late_jobs,
        seed=seed,
        oracle=experiment.evaluation.oracle or bool(shadows),
        late_data=experiment.drift.late_data,
        shadows=shadows,
        clients=partition.clients,
    )
    start = engine.start(simulation, built.weights, built.buffers)
    return Run(experiment, data, late_clients, first_late, simulation, start)


def _data(
    experiment: Experiment,
    context: DataContext,
    dataset: Dataset,
    partition: Partition,
    late_clients: tuple[int, ...],
    device: torch.device,
) -> FederatedData:
    drift, seed = experiment.drift, experiment.run.seed
    try:
        second = load_drift_dataset(experiment, context, dataset)
    except InputError as error:
        raise InputError(f"drift.dataset: {error}") from error
    if second is None:
        return FederatedData(dataset, partition, device)
    test = stratified_subset(second.test, experiment.evaluation.test_samples, named_rng(seed, "drift-test-samples"))
    named: dict[str, Sequence[int]] = {"all": range(partition.clients), "late": late_clients}
    drifting = named[drift.clients] if isinstance(drift.clients, str) else drift.clients
    if max(drifting, default=0) >= partition.clients:
        raise InputError(f"drift.clients names client {max(drifting)}; valid: 0 to {partition.clients - 1}")
    return DriftingData(dataset, partition, replace(second, test=test), drift, drifting, seed, device)


def _shadow(label: str, table: ShadowTable) -> Compensator:
    key = f"evaluation.shadows.{one_line(label)}"
    try:
        shadow = load_registry().create("method", table.name, table.options)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error
    if shadow.without_staleness:
        raise InputError(f"{key}: {table.name} estimates nothing; valid: a method that compensates late updates")
    return shadow


def _plan(experiment: Experiment, clients: int, late_clients: Sequence[int], all_on_time: bool = False) -> list[Job]:
    training, run = experiment.training, experiment.run
    return plan(experiment.staleness, training, clients, late_clients, run.rounds, run.seed, all_on_time=all_on_time)
