"""The round loop: semi-asynchronous federated learning in which late clients' updates arrive rounds after their model
was sent."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensator, InputSpec, LocalTraining, Model, ServerView, State
from stalefl.seeds import named_generator
from stalefl.server.coordinator import Coordinator
from stalefl.server.history import History, Sent
from stalefl.simulation.arrivals import Job
from stalefl.simulation.round_outcome import RoundOutcome, Shadow, late_updates_of
from stalefl.training.local_update import local_update


class ClientData(Protocol):
    """What the engine needs of the clients' data."""

    def client_data(self, client: int, round: int) -> tuple[Tensor, Tensor]:
        """Inputs [N, ...] and targets [N] that a client holds in a round."""


@dataclass(frozen=True)
class Simulation:
    """All that stays the same over a run."""

    model: Model
    method: Compensator
    data: ClientData
    input_spec: InputSpec
    training: LocalTraining
    jobs: Sequence[Job]
    seed: int
    oracle: bool = False
    late_data: Literal["when-sent", "today"] = "when-sent"
    """Which data a late client trains on: those it held when it was sent the model, or when its update arrives."""
    shadows: Mapping[str, Compensator] = field(default_factory=dict)
    """Methods, by label, that estimate from the same updates beside ``method`` and change nothing; needs ``oracle``."""
    clients: int = 0
    """How many clients there are, those that never take part included; 0: not known."""

    def __post_init__(self) -> None:
        dispatched, arriving = defaultdict(list), defaultdict(list)
        for job in self.jobs:
            dispatched[job.dispatched_round].append(job)
            arriving[job.arrived_round].append(job)
        object.__setattr__(self, "dispatched", dict(dispatched))
        object.__setattr__(self, "arriving", dict(arriving))
        server = Coordinator(self.method, self.model, self.training, self.input_spec, self.seed, self.clients)
        object.__setattr__(self, "server", server)

    dispatched: dict[int, list[Job]] = field(init=False)
    arriving: dict[int, list[Job]] = field(init=False)
    server: Coordinator = field(init=False)

    def data_of(self, job: Job) -> tuple[Tensor, Tensor]:
        """Inputs [N, ...] and targets [N] that the client trains on."""
        round = job.arrived_round if self.late_data == "today" else job.dispatched_round
        return self.data.client_data(job.client, round)

    def generator(self, purpose: str, *index: int) -> torch.Generator:
        return named_generator(self.seed, purpose, *index)


@dataclass(frozen=True)
class SimulationState:
    """All that changes from round to round; as a tree it is the checkpoint."""

    round: int
    """The last completed round; 0 before the first."""
    weights: Tensor
    buffers: dict[str, Tensor]
    method_state: State
    history: History
    shadow_states: Mapping[str, State] = field(default_factory=dict)

    def to_tree(self) -> dict[str, Any]:
        return {
            "round": self.round,
            "weights": self.weights,
            "buffers": dict(self.buffers),
            "method_state": self.method_state,
            "history": self.history.to_tree(),
            "shadow_states": dict(self.shadow_states),
        }

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> SimulationState:
        return cls(
            tree["round"],
            tree["weights"],
            tree["buffers"],
            tree["method_state"],
            History.from_tree(tree["history"]),
            tree["shadow_states"],
        )


def start(sim: Simulation, weights: Tensor, buffers: dict[str, Tensor]) -> SimulationState:
    """The state before round 1."""
    shadow_states = {label: s.init(sim.server.view(0, weights, buffers)) for label, s in sim.shadows.items()}
    method_state = sim.method.init(sim.server.view(0, weights, buffers))
    return SimulationState(0, weights, buffers, method_state, History(), shadow_states)


def rounds(sim: Simulation, state: SimulationState, last_round: int) -> Iterator[tuple[SimulationState, RoundOutcome]]:
    """The rounds after ``state`` up to and with ``last_round``."""
    while state.round < last_round:
        state, outcome = run_round(sim, state)
        yield state, outcome


def run_round(sim: Simulation, state: SimulationState) -> tuple[SimulationState, RoundOutcome]:
    """One round; ``state`` stays as it is."""
    t, history = state.round + 1, state.history.copy()
    view = sim.server.view(t, state.weights, state.buffers)

    # 1. Send the model, or what the method makes of it, to every client that starts a job now.
    began = _clock(sim)
    _send(sim, view, state.method_state, history)
    dispatch_seconds = _clock(sim) - began

    # 2. Train the clients whose update arrives now, on the model and the data they held when they were sent it.
    began = _clock(sim)
    jobs = sim.arriving.get(t, ())
    sent = [history.take(job.client, job.dispatched_round, t) for job in jobs]
    updates = [_train(sim, job, model) for job, model in zip(jobs, sent, strict=True)]
    client_seconds = _clock(sim) - began

    # 3. Let the server reject, compensate, aggregate and refine.
    began = _clock(sim)
    view = replace(view, awaited=history.awaited())
    served = sim.server.serve(view, updates, state.method_state)
    server_seconds = dispatch_seconds + _clock(sim) - began

    # 4. Compare with the truth, which the server never sees.
    truths = _truths(sim, view, jobs) if sim.oracle else {}
    shadows, shadow_states = _cast_shadows(sim, view, updates, state.shadow_states, truths)

    outcome = RoundOutcome(
        round=t,
        participants=tuple(sorted({job.client for job in jobs})),
        staleness_rounds=tuple(job.staleness_rounds for job in jobs if job.staleness_rounds),
        late_updates=late_updates_of(served, truths),
        rejected=served.rejected,
        inversion_iterations=served.inversion_iterations,
        client_seconds=client_seconds,
        server_seconds=server_seconds,
        shadows=shadows,
        causes=served.causes,
    )
    return SimulationState(t, served.weights, served.buffers, served.state, history, shadow_states), outcome


@dataclass(frozen=True)
class Arrival:
    """One update as it arrives, what the server sees then, and the truth: the client's update had it been on time."""

    update: ClientUpdate
    view: ServerView
    truth: Tensor
    client_data: tuple[Tensor, Tensor]
    """Inputs [N, *shape] and targets [N] that the client trained on."""


def arrival(sim: Simulation, state: SimulationState, client: int) -> Arrival:
    """The update of ``client`` in the round after ``state``, as ``run_round`` computes it; ``state`` stays as it is.

    Of several it is the stalest. Raises ValueError if none of that client arrives then.
    """
    t, history = state.round + 1, state.history.copy()
    # Jobs come by arrival, then staleness.
    job = next((job for job in reversed(sim.arriving.get(t, ())) if job.client == client), None)
    if job is None:
        raise ValueError(f"no update of client {client} arrives in round {t}")
    view = sim.server.view(t, state.weights, state.buffers)
    _send(sim, view, state.method_state, history)
    update = _train(sim, job, history.take(client, job.dispatched_round, t))
    view = replace(view, staleness_rounds=job.staleness_rounds)
    return Arrival(update, view, _truths(sim, view, [job]).get(client, update.delta), sim.data_of(job))


def _send(sim: Simulation, view: ServerView, method_state: State, history: History) -> None:
    """Put what every client that starts a job now is sent into ``history``."""
    for job in sim.dispatched.get(view.round, ()):
        sent = sim.server.send(job.client, job.staleness_rounds, view, method_state)
        history.send(job.client, view.round, job.arrived_round, sent)


def _train(sim: Simulation, job: Job, sent: Sent) -> ClientUpdate:
    inputs, targets = sim.data_of(job)
    generator = sim.generator("local-training", job.dispatched_round, job.client)
    result = local_update(sim.model, sent.weights, sent.buffers, inputs, targets, sim.training, generator)
    return ClientUpdate(
        client=job.client,
        delta=result.delta,
        samples=len(targets),
        dispatched_round=job.dispatched_round,
        arrived_round=job.arrived_round,
        base_weights=sent.weights,
        buffers=result.buffers,
    )


def _truths(sim: Simulation, view: ServerView, jobs: Sequence[Job]) -> dict[int, Tensor]:
    """By late client, the update it would have sent had it been on time: one truth for all its updates of the round."""
    sent, late = Sent(view.weights, view.buffers), {job.client for job in jobs if job.staleness_rounds}
    return {client: _train(sim, Job(view.round, 0, client), sent).delta for client in sorted(late)}


def _cast_shadows(
    sim: Simulation,
    view: ServerView,
    updates: Sequence[ClientUpdate],
    states: Mapping[str, State],
    truths: Mapping[int, Tensor],
) -> tuple[dict[str, Shadow], dict[str, State]]:
    """Let every shadow compensate the updates that the method was given, from what the method was shown."""
    shadows, next_states = {}, {}
    for label, shadow in sim.shadows.items():
        began = _clock(sim)
        own_view = replace(view, generator=sim.generator("server", view.round))
        served = replace(sim.server, method=shadow).serve(own_view, updates, states[label])
        seconds = _clock(sim) - began
        shadows[label] = Shadow(late_updates_of(served, truths), seconds)
        next_states[label] = served.state
    return shadows, next_states


def _clock(sim: Simulation) -> float:
    if sim.model.device.type == "cuda":
        torch.cuda.synchronize(sim.model.device)
    return time.perf_counter()
