"""Who is late, by how much, and what arrives when: all of it planned before the first round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stalefl.config.schema import StalenessTable, TrainingTable
from stalefl.seeds import named_rng


@dataclass(frozen=True, order=True)
class Job:
    """One local training: the client is given the model of one round, its update arrives in the same or a later one."""

    arrived_round: int
    staleness_rounds: int
    client: int

    @property
    def dispatched_round(self) -> int:
        return self.arrived_round - self.staleness_rounds


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


def client_delays(spec: StalenessTable, late_clients: Sequence[int]) -> dict[int, int]:
    """The delay in rounds of each late client."""
    return dict.fromkeys(late_clients, spec.rounds) if spec.rounds else {}


def plan_jobs(
    participants: Sequence[Sequence[int]],
    delays_rounds: Mapping[int, int],
    *,
    pipeline: bool = True,
    early_rounds: Literal["on-time", "absent"] = "on-time",
) -> list[Job]:
    """Every job of a run, by arrival. ``participants[t - 1]`` are the clients of round t.

    A late client with delay d is on time (or absent) in rounds 1 to d, when no model of age d exists. After that, with
    ``pipeline``, each round it takes part in receives the update it began d rounds before (the paper's setting);
    without, a round it takes part in while idle starts a job that arrives d rounds later, and it stays busy until then.
    """
    jobs: list[Job] = []
    busy_until: dict[int, int] = {}
    for t, clients in enumerate(participants, start=1):
        for client in clients:
            delay = delays_rounds.get(client, 0)
            if t <= delay:
                if early_rounds == "on-time":
                    jobs.append(Job(t, 0, client))
            elif pipeline or delay == 0:
                jobs.append(Job(t, delay, client))
            elif busy_until.get(client, 0) < t:
                jobs.append(Job(t + delay, delay, client))
                busy_until[client] = t + delay
    return sorted(jobs)


def first_late_round(jobs: Iterable[Job]) -> int | None:
    """The round in which the first stale update arrives; None if none does."""
    return min((job.arrived_round for job in jobs if job.staleness_rounds), default=None)
