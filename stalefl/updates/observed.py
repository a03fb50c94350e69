"""One update to look into: from a run, which is replayed until it arrives, or from a user's own files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stalefl.config.loading import load_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import ClientUpdate, DataContext, InputError, LocalTraining, Model, ServerView
from stalefl.leakage.last_layer import unlike_cross_entropy
from stalefl.records.comparison_folder import ComparisonFolder
from stalefl.records.run_folder import RunFolder
from stalefl.run.parts import BuiltModel, build_model, load_dataset, local_training
from stalefl.run.round_records import evaluate_round
from stalefl.run.setup import Run, build_run
from stalefl.seeds import named_generator
from stalefl.simulation import engine
from stalefl.simulation.oracle import update_error
from stalefl.training.embedding import token_table
from stalefl.training.local_update import local_update
from stalefl.updates.files import UpdateKind, load_client_data, load_parameters, load_update, looks_like_weights

NEAREST_ROUNDS = 4
STRANGE = 0.05
"""Share of the last layer's change that must not be left over when its rows are added up; rounding leaves 1e-5."""
UNLIKE = 0.5
"""Cosine distance above which two updates are not of the same training; defences alone change an update too."""
MOSTLY_SENT = 0.5
"""Share of zeros above which an update has been sparsified, and its rows add up to nothing in particular."""
MOST_NAMED_CLIENTS = 20


class Arrived(NamedTuple):
    """Where in a run an update was observed."""

    client: int
    round: int
    staleness_rounds: int


@dataclass(frozen=True)
class ObservedUpdate:
    """An update, what the server sees beside it, and whatever else is known about it."""

    experiment: Experiment
    dataset: str
    update: ClientUpdate
    """Its client and rounds mean nothing unless ``arrived`` is there; nor its samples unless ``samples_known``."""
    view: ServerView
    """``weights`` are today's model, or the base weights where that is unknown."""
    samples_known: bool
    current_known: bool
    """Whether there is a model of today that is not the one the update started from."""
    arrived: Arrived | None = None
    truth: Tensor | None = None
    """[P], the update that the client would send from today's model."""
    client_data: tuple[Tensor, Tensor] | None = None
    """Inputs [N, *shape] and targets [N] that the client trained on."""
    from_elsewhere: bool = False
    """Whether another system wrote it, which may have sparsified it."""

    @property
    def token_table(self) -> Tensor | None:
        """The vectors [V, D] that stood for tokens where the update began; None for a model that takes no tokens."""
        return token_table(self.view.model, self.update.base_weights, self.view.buffers)


def server_view(experiment: Experiment, built: BuiltModel) -> ServerView:
    """What a server with this model sees, where there are no rounds. Nothing draws from its generator."""
    return ServerView(
        round=0,
        weights=built.weights,
        buffers=built.buffers,
        model=built.model,
        training=local_training(experiment.training),
        input_spec=built.input_spec,
        generator=named_generator(experiment.run.seed, ""),
    )


# --- from a run -----------------------------------------------------------------------------------------------------


def open_run(path: Path, device: str | None, context: DataContext) -> Run:
    """The run of a run folder, ready to be replayed. Raises InputError if ``path`` is none, or a comparison."""
    if ComparisonFolder.is_one(path):
        runs = ", ".join(str(path / name) for name in ComparisonFolder(path).read_index()["runs"])
        raise InputError(f"{path} holds several runs; valid: {runs}")
    experiment = load_experiment(RunFolder.open(path).config, flags={"run": {"device": device}} if device else None)
    # What only measures does not change a run; without it the replay is shorter.
    evaluation = experiment.evaluation.model_copy(update={"oracle": False, "shadows": {}})
    return build_run(experiment.model_copy(update={"evaluation": evaluation}), context)


def check_arrival(run: Run, client: int, round: int) -> None:
    """Raises InputError, naming valid rounds or clients, unless an update of ``client`` arrives in ``round``."""
    last_round = run.experiment.run.rounds
    if not 1 <= round <= last_round:
        raise InputError(f"--round {round}: the run has rounds 1 to {last_round}")
    if not 0 <= client < run.data.clients:
        raise InputError(f"--client {client}: the run has clients 0 to {run.data.clients - 1}")
    jobs = [job for job in run.simulation.jobs if job.arrived_round <= last_round]
    arrivals = {job.arrived_round for job in jobs if job.client == client}
    if round in arrivals:
        return
    if arrivals:
        nearest = sorted(sorted(arrivals, key=lambda t: (abs(t - round), t))[:NEAREST_ROUNDS])
        valid = f"the nearest rounds in which one does: {', '.join(map(str, nearest))}"
    else:
        clients = sorted(job.client for job in jobs if job.arrived_round == round)
        named = ", ".join(map(str, clients[:MOST_NAMED_CLIENTS])) or "none"
        more = ", ..." if len(clients) > MOST_NAMED_CLIENTS else ""
        valid = f"it never takes part; clients whose update arrives then: {named}{more}"
    raise InputError(
        f"--client {client} --round {round}: no update of client {client} arrives in round {round}; {valid}"
    )


def from_run(
    run: Run,
    client: int,
    round: int,
    records: Sequence[Mapping[str, Any]] = (),
    on_round: Callable[[int], None] = lambda round: None,
) -> ObservedUpdate:
    """Replay ``run`` until the update of ``client`` arrives in ``round``; the same bits as then on the same device. Of
    several it is the stalest.

    ``on_round`` is told each round that is done; a replay that strays from the run's ``records`` is warned of. Raises
    InputError as ``check_arrival`` does, and for an update that is not finite or zero.
    """
    check_arrival(run, client, round)
    torch.set_num_threads(run.experiment.run.threads)
    state = run.start
    for state, _ in engine.rounds(run.simulation, run.start, round - 1):
        on_round(state.round)
    _warn_if_different(run, state, records)
    arrival = engine.arrival(run.simulation, state, client)
    on_round(round)
    update = arrival.update
    if not (update.delta.isfinite().all() and update.delta.any()):
        what = "zero" if update.delta.isfinite().all() else "not finite: its training diverged"
        raise InputError(f"the update of client {client} in round {round} is {what}; valid: another client or round")
    late = update.staleness_rounds > 0
    return ObservedUpdate(
        experiment=run.experiment,
        dataset=run.data.dataset.name,
        update=update,
        view=arrival.view,
        samples_known=True,
        current_known=late,
        arrived=Arrived(client, round, update.staleness_rounds),
        truth=arrival.truth if late else None,
        client_data=arrival.client_data,
    )


def _warn_if_different(run: Run, state: engine.SimulationState, records: Sequence[Mapping[str, Any]]) -> None:
    """Compare the model before the update's round with the run's record of it."""
    recorded = next((record["loss"] for record in records if record["round"] == state.round), None)
    if recorded is None:
        return
    loss = evaluate_round(run, state).evaluation.loss
    if loss != recorded:
        logging.getLogger(__name__).warning(
            "the replay is not bit for bit the run: test loss %.9g after round %d, recorded %.9g (another device, "
            "number of threads or version of a library?)",
            loss,
            state.round,
            recorded,
        )


# --- from files -----------------------------------------------------------------------------------------------------


class UpdateFiles(NamedTuple):
    """What a user's own system has written."""

    base: Path
    update: Path
    update_is: UpdateKind = "delta"
    current: Path | None = None
    truth: Path | None = None
    samples: int | None = None
    client_data: Path | None = None
    """The samples behind the update: ``inputs`` as the model receives them, and ``targets``."""


@dataclass(frozen=True)
class _Contents:
    """What was in the files."""

    base: BuiltModel
    """The model that the client was given, with today's buffers."""
    delta: Tensor
    """[P]."""
    current_weights: Tensor
    """[P], those of the base where today's are unknown."""
    truth: Tensor | None
    """[P]."""
    client_data: tuple[Tensor, Tensor] | None


def from_files(experiment: Experiment, files: UpdateFiles, context: DataContext) -> ObservedUpdate:
    """The update of files, made by the model, on the data and by the local program of ``experiment``.

    Raises InputError for files that do not fit the model, and for what is missing.
    """
    training = local_training(experiment.training)
    _check_given(files, training)
    dataset = load_dataset(experiment, context)
    torch.set_num_threads(experiment.run.threads)
    found = _read(files, build_model(experiment, dataset.spec))
    samples = _samples(files, found.client_data)
    _warn_if_doubtful(files, found, training)
    base = found.base
    # Where the number of samples is unknown it decides nothing but the size of D_rec, of which 1 gives the smallest.
    update = ClientUpdate(0, found.delta, samples or 1, 0, 0, base.weights, base.buffers)
    return ObservedUpdate(
        experiment=experiment,
        dataset=dataset.name,
        update=update,
        view=replace(server_view(experiment, base), weights=found.current_weights),
        samples_known=samples is not None,
        current_known=files.current is not None,
        truth=found.truth,
        client_data=found.client_data,
        from_elsewhere=True,
    )


def _check_given(files: UpdateFiles, training: LocalTraining) -> None:
    """Raises InputError for what is missing beside what was given."""
    if files.samples is not None and files.samples < 1:
        raise InputError(f"--samples {files.samples}: not valid; valid: integer > 0")
    if files.samples is None and files.client_data is None and training.batch_size > 0:
        raise InputError(
            f"--samples is missing: with training.batch_size = {training.batch_size} the client's number of samples "
            "decides how many steps it made"
        )
    if files.truth is not None and files.current is None:
        raise InputError("--truth is the update from today's model: give that one too, as --current")


def _read(files: UpdateFiles, built: BuiltModel) -> _Contents:
    """What is in the files, as it fits the model. Raises InputError."""
    model = built.model
    base = load_parameters(files.base, model)
    current = load_parameters(files.current, model) if files.current else base
    return _Contents(
        base=built.with_weights(base.flat, current.buffers),
        delta=load_update(files.update, files.update_is, base.flat, model),
        current_weights=current.flat,
        truth=load_update(files.truth, files.update_is, current.flat, model) if files.truth else None,
        client_data=load_client_data(files.client_data, built.dataset_spec) if files.client_data else None,
    )


def _samples(files: UpdateFiles, client_data: tuple[Tensor, Tensor] | None) -> int | None:
    """The client's number of samples, as it is told or as its data have it; None if neither is there."""
    if client_data is None:
        return files.samples
    there = len(client_data[1])
    if files.samples not in (None, there):
        raise InputError(f"--samples {files.samples}: {files.client_data} has {there}; valid: leave --samples out")
    return there


def _warn_if_doubtful(files: UpdateFiles, found: _Contents, training: LocalTraining) -> None:
    """Name what shows that a file holds something else than it is said to hold."""
    log, base, delta = logging.getLogger(__name__), found.base, found.delta
    if files.update_is == "delta" and looks_like_weights(delta, base.weights):
        log.warning("%s is nearly the base weights: if it holds new weights, say --update-is weights", files.update)
    if warning := _strange_base(delta, base.model, base.dataset_spec.classes, training):
        log.warning("%s with %s: %s", files.update, files.base, warning)
    if found.client_data is None:
        return
    generator = named_generator(0, "client-data")
    again = local_update(base.model, base.weights, base.buffers, *found.client_data, training, generator)
    distance = update_error(again.delta, delta).cosine
    if distance > UNLIKE:
        log.warning(
            "training from %s on %s gives another update (cosine distance %.2f): is the base, the local program or "
            "--update-is wrong?",
            files.base,
            files.client_data,
            distance,
        )


def _strange_base(delta: Tensor, model: Model, classes: int, training: LocalTraining) -> str:
    """What shows that these weights are not those that the client was given, as far as that can be told."""
    if training.optimizer != "sgd" or training.weight_decay or float((delta == 0).float().mean()) > MOSTLY_SENT:
        return ""
    unlike = unlike_cross_entropy(model, classes, delta)
    if unlike is None or unlike < STRANGE:
        return ""
    return (
        "the last layer's rows do not add up to 0, as those of an update by SGD on cross-entropy do: these may not be "
        "the weights the client was given, or it trains otherwise, or it has added noise"
    )
