"""Who is late, by how much, and what arrives when: all of it planned before the first round."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from stalefl.config.schema import StalenessTable, TrainingTable
from stalefl.data.trace import TraceRow, read_trace
from stalefl.seeds import named_rng
from stalefl.simulation.delays import Delay, always, client_delays, is_lost, job_delays

EarlyRounds = Literal["on-time", "absent"]


@dataclass(frozen=True, order=True)
class Job:
    """One local training: the client is given the model of one round, its update arrives in the same or a later one."""

    arrived_round: int
    staleness_rounds: int
    client: int

    @property
    def dispatched_round(self) -> int:
        return self.arrived_round - self.staleness_rounds

    @property
    def key(self) -> tuple[int, int, int]:
        """By which the server's history knows it."""
        return self.client, self.dispatched_round, self.arrived_round


def draw_participants(spec: TrainingTable, clients: int, round: int, seed: int) -> list[int]:
    """The clients that take part in a round (from 1), in ascending order; depends on nothing but its arguments."""
    count = spec.clients_per_round
    count = count if isinstance(count, int) else max(1, round_half_up(count * clients))
    if count >= clients:
        return list(range(clients))
    if spec.selection == "round-robin":
        return sorted((count * (round - 1) + i) % clients for i in range(count))
    chosen = named_rng(seed, "participants", round).choice(clients, size=count, replace=False)
    return np.sort(chosen).tolist()


def round_half_up(value: float) -> int:
    return int(value + 0.5)


def plan(
    spec: StalenessTable,
    training: TrainingTable,
    clients: int,
    late_clients: Sequence[int],
    rounds: int,
    seed: int,
    *,
    all_on_time: bool = False,
) -> list[Job]:
    """Every job of a run of so many ``rounds``, by arrival, those included that arrive after its end.

    With more rounds the same jobs are planned, and more: a run may be resumed. ``all_on_time`` is the reference: nobody
    is late and nothing is lost. Raises InputError for a trace that cannot be used.
    """
    # The paper's pipeline counts from arrivals: those to come after the end were begun before it.
    beyond = spec.rounds if spec.schedule == "constant" else 0
    participants = [draw_participants(training, clients, t, seed) for t in range(1, rounds + beyond + 1)]
    if spec.schedule == "trace":
        return plan_trace(participants, read_trace(spec.trace, clients), all_on_time=all_on_time)
    if all_on_time:
        return plan_jobs(participants, {})
    how: Any = {"pipeline": spec.pipeline, "early_rounds": spec.early_rounds}
    if spec.schedule == "constant":
        jobs = plan_jobs(participants, client_delays(spec, late_clients, seed), **how)
    else:
        jobs = plan_drawn_jobs(participants, job_delays(spec, late_clients, seed), **how)
    late = set(late_clients)
    return [job for job in jobs if job.client not in late or not _is_lost(job, spec, seed)]


def _is_lost(job: Job, spec: StalenessTable, seed: int) -> bool:
    return is_lost(spec, seed, job.client, job.dispatched_round, job.staleness_rounds)


def plan_jobs(
    participants: Sequence[Sequence[int]],
    delays_rounds: Mapping[int, int],
    *,
    pipeline: bool = True,
    early_rounds: EarlyRounds = "on-time",
) -> list[Job]:
    """Every job of a run with constant delays, by arrival. ``participants[t - 1]`` are the clients of round t.

    A late client with delay d is on time (or absent) in rounds 1 to d, when no model of age d exists. After that, with
    ``pipeline``, each round it takes part in receives the update it began d rounds before (the paper's setting);
    without, a round it takes part in while idle starts a job that arrives d rounds later, and it stays busy until then.
    """
    if not pipeline:
        delays = {client: always(delay) for client, delay in delays_rounds.items()}
        return plan_drawn_jobs(participants, delays, pipeline=False, early_rounds=early_rounds)
    jobs: list[Job] = []
    for t, clients in enumerate(participants, start=1):
        for client in clients:
            delay = delays_rounds.get(client, 0)
            if t > delay:
                jobs.append(Job(t, delay, client))
            elif early_rounds == "on-time":
                jobs.append(Job(t, 0, client))
    return sorted(jobs)


def plan_drawn_jobs(
    participants: Sequence[Sequence[int]],
    delays: Mapping[int, Delay],
    *,
    pipeline: bool = True,
    early_rounds: EarlyRounds = "on-time",
) -> list[Job]:
    """Every job of a run whose late clients take ``delays[client](t)`` rounds for the update begun in round t.

    With ``pipeline`` a late client begins an update in every round it takes part in: updates may overtake each other,
    and several may arrive in one round. Until its first late update has arrived it is on time as well (or absent).
    Without, it is on time (or absent) for as many rounds as its first delay; then a round it takes part in while idle
    starts an update, and it stays busy until that has arrived. With one delay for all updates and everybody taking
    part in every round this is ``plan_jobs``.
    """
    jobs: list[Job] = []
    for client, its_rounds in _rounds_by_client(participants).items():
        if client not in delays:
            jobs += [Job(t, 0, client) for t in its_rounds]
            continue
        late_jobs = _overlapping if pipeline else _one_at_a_time
        own = late_jobs(client, its_rounds, delays[client])
        jobs += [job for job, early in own if early_rounds == "on-time" or not early]
    return sorted(jobs)


def _rounds_by_client(participants: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    rounds = defaultdict(list)
    for t, clients in enumerate(participants, start=1):
        for client in clients:
            rounds[client].append(t)
    return rounds


def _overlapping(client: int, rounds: Sequence[int], delay_of: Delay) -> Iterator[tuple[Job, bool]]:
    """Jobs, and whether each is one of the early rounds'."""
    first_arrival = math.inf
    for t in rounds:
        delay = delay_of(t)
        yield Job(t + delay, delay, client), False
        first_arrival = min(first_arrival, t + delay)
        if t < first_arrival:
            yield Job(t, 0, client), True


def _one_at_a_time(client: int, rounds: Sequence[int], delay_of: Delay) -> Iterator[tuple[Job, bool]]:
    """Jobs, and whether each is one of the early rounds'."""
    busy_until = 0
    first_delay = delay_of(rounds[0])
    for t in rounds:
        if t <= first_delay:
            yield Job(t, 0, client), True
        elif t > busy_until:
            delay = delay_of(t)
            yield Job(t + delay, delay, client), False
            busy_until = t + delay


def plan_trace(
    participants: Sequence[Sequence[int]], rows: Iterable[TraceRow], *, all_on_time: bool = False
) -> list[Job]:
    """The jobs of a trace, which are all that the clients it names do; every other client is on time whenever it takes
    part. ``all_on_time``: whoever is given the model delivers in the same round."""
    rows = list(rows)
    traced = {row.client for row in rows}
    others = [[client for client in clients if client not in traced] for clients in participants]
    jobs = [Job(row.arrived_round, row.arrived_round - row.dispatched_round, row.client) for row in rows]
    if all_on_time:
        jobs = [Job(job.dispatched_round, 0, job.client) for job in jobs]
    return sorted([*jobs, *plan_jobs(others, {})])


def first_late_arrival(jobs: Iterable[Job]) -> int | None:
    """The round in which the first late update arrives; None if none does."""
    return min((job.arrived_round for job in jobs if job.staleness_rounds), default=None)
