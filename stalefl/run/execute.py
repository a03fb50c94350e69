"""A run carried out: its rounds in order, each recorded, with checkpoints to go on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from stalefl.config.loading import experiment_to_toml
from stalefl.contracts import InputError, Observer, State, Watched
from stalefl.data.partition import class_counts
from stalefl.data.partition_file import save_partition
from stalefl.data.setup import partition_meta, train_labels
from stalefl.records.environment import environment
from stalefl.records.run_data import RunData, write_run_data
from stalefl.records.run_folder import RunFolder
from stalefl.records.run_result import run_result
from stalefl.run.observers import observer_group
from stalefl.run.round_records import record_after_round
from stalefl.run.setup import Run
from stalefl.simulation import engine
from stalefl.storage import save_weights

OnRecord = Callable[[dict[str, Any]], None]
"""Called with the record of each round that is done."""
ShouldStop = Callable[[], bool]


def execute(
    run: Run,
    folder: RunFolder,
    *,
    resume: bool = False,
    on_round: OnRecord = lambda record: None,
    should_stop: ShouldStop = lambda: False,
    observers: Sequence[Observer] = (),
) -> dict[str, Any] | None:
    """Run to the last round and write the records; None if stopped before, with a checkpoint to go on from.

    The records of a resumed run are those of an uninterrupted one, bit for bit, but for the seconds.
    """
    experiment = run.experiment
    torch.set_num_threads(experiment.run.threads)
    start, seconds_before = (_restore(run, folder) if resume else None) or (run.start, 0.0)
    if start.round > experiment.run.rounds:
        raise InputError(
            f"{folder.path} has done {start.round} rounds already; valid: run.rounds = {start.round} or more"
        )
    _check_awaited(run, start, folder)
    folder.truncate_rounds(after_round=start.round)
    # A finished run that goes on to more rounds is unfinished again.
    for outdated in (folder.result, folder.weights):
        outdated.unlink(missing_ok=True)
    _write_settings(run, folder)
    began = time.perf_counter() - seconds_before
    watched = Watched(folder.path, experiment.model_dump(), run.simulation.input_spec, folder.read_rounds())
    with observer_group(observers, watched) as group:

        def report(record: dict[str, Any], method_state: State) -> None:
            on_round(record)
            group.observe(record, method_state)

        state = _run_rounds(run, folder, start, began, report, should_stop)
        if state is not None:
            group.result = _finish(run, folder, state, began)
    return group.result


def _run_rounds(
    run: Run,
    folder: RunFolder,
    start: engine.SimulationState,
    began: float,
    report: Callable[[dict[str, Any], State], None],
    should_stop: ShouldStop,
) -> engine.SimulationState | None:
    """The rounds after ``start``, each recorded and reported; None if stopped before the last one."""
    settings, state = run.experiment.run, start
    for state, outcome in engine.rounds(run.simulation, start, settings.rounds):
        record = record_after_round(run, state, outcome)
        folder.append_round(record)
        report(record, state.method_state)
        stopped = should_stop() and state.round < settings.rounds
        if stopped or state.round % settings.checkpoint_every_rounds == 0:
            _save(folder, state, time.perf_counter() - began)
        if stopped:
            return None
    return state


def _finish(run: Run, folder: RunFolder, state: engine.SimulationState, began: float) -> dict[str, Any]:
    """Write checkpoint, weights and ``result.json``, which is returned."""
    experiment = run.experiment
    _save(folder, state, time.perf_counter() - began)
    save_weights(folder.weights, {**run.simulation.model.layout.to_named(state.weights), **state.buffers})
    result = run_result(
        method=str(experiment.method.name),
        dataset=experiment.data.dataset,
        model=experiment.model.name,
        seed=experiment.run.seed,
        records=folder.read_rounds(),
        target_accuracy=experiment.evaluation.target_accuracy,
        first_late_round=run.first_late_round,
        wall_seconds=time.perf_counter() - began,
    )
    folder.write_result(result)
    return result


def _restore(run: Run, folder: RunFolder) -> tuple[engine.SimulationState, float] | None:
    """The last checkpoint and the seconds spent until then; None if the run was stopped before its first one."""
    if not folder.checkpoint.exists():
        return None
    tree = folder.load_checkpoint()
    state = engine.SimulationState.from_tree(_to_device(tree["simulation"], run.simulation.model.device))
    return state, tree["seconds"]


def _check_awaited(run: Run, state: engine.SimulationState, folder: RunFolder) -> None:
    """Raises InputError unless the updates that ``state`` waits for are those that are planned to come."""
    jobs = run.simulation.jobs
    under_way = {job.key for job in jobs if job.dispatched_round <= state.round < job.arrived_round}
    if under_way != set(state.history.sent):
        cause = "its trace was changed" if run.experiment.staleness.trace else "it is another version's"
        raise InputError(f"{folder.path} waits for other updates than are planned: {cause}; valid: a new run")


def _save(folder: RunFolder, state: engine.SimulationState, seconds: float) -> None:
    folder.save_checkpoint({"simulation": state.to_tree(), "seconds": seconds})


def _to_device(tree: Any, device: torch.device) -> Any:
    if isinstance(tree, torch.Tensor):
        return tree.to(device)
    if isinstance(tree, dict):
        return {key: _to_device(value, device) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_to_device(value, device) for value in tree)
    return tree


def _write_settings(run: Run, folder: RunFolder) -> None:
    experiment = run.experiment
    folder.write_config(experiment_to_toml(experiment))
    if not folder.environment.exists():
        folder.write_environment(environment(str(run.simulation.model.device), experiment.run.threads))
    meta = partition_meta(run.data.dataset, experiment.partition, experiment.staleness, experiment.run.seed)
    save_partition(folder.partition, run.data.partition, run.late_clients, meta)
    spec, labels = run.data.dataset.spec, train_labels(run.data.dataset)
    write_run_data(folder.data, RunData(class_counts(run.data.partition, labels, spec.classes), run.late_clients, spec))
