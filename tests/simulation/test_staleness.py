from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stalefl.config.schema import StalenessTable, TrainingTable
from stalefl.simulation.staleness import Job, client_delays, draw_participants, first_late_round, plan_jobs

EVERYONE = [[0, 1]] * 5


def jobs_of(client: int, jobs: list[Job]) -> list[tuple[int, int]]:
    """(dispatched, arrived) of a client's jobs."""
    return [(job.dispatched_round, job.arrived_round) for job in jobs if job.client == client]


def test_pipeline_a_late_update_arrives_every_round_once_a_model_of_its_age_exists() -> None:
    jobs = plan_jobs(EVERYONE, {1: 2})
    assert jobs_of(0, jobs) == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    assert jobs_of(1, jobs) == [(1, 1), (2, 2), (1, 3), (2, 4), (3, 5)]


def test_pipeline_absent_in_the_early_rounds() -> None:
    assert jobs_of(1, plan_jobs(EVERYONE, {1: 2}, early_rounds="absent")) == [(1, 3), (2, 4), (3, 5)]


def test_one_at_a_time_a_client_begins_anew_after_it_has_delivered() -> None:
    jobs = plan_jobs([[0]] * 10, {0: 2}, pipeline=False)
    assert jobs_of(0, jobs) == [(1, 1), (2, 2), (3, 5), (6, 8), (9, 11)]


def test_one_at_a_time_absent_in_the_early_rounds() -> None:
    assert jobs_of(0, plan_jobs([[0]] * 6, {0: 3}, pipeline=False, early_rounds="absent")) == [(4, 7)]


def test_partial_participation() -> None:
    participants = [[0], [], [0], [1], [0, 1], [], [0]]
    assert jobs_of(0, plan_jobs(participants, {0: 2})) == [(1, 1), (1, 3), (3, 5), (5, 7)]
    assert jobs_of(0, plan_jobs(participants, {0: 2}, pipeline=False)) == [(1, 1), (3, 5), (7, 9)]
    assert jobs_of(1, plan_jobs(participants, {0: 2})) == [(4, 4), (5, 5)]


def test_jobs_come_by_arrival() -> None:
    assert plan_jobs([[1, 0]] * 2, {0: 1}) == [Job(1, 0, 0), Job(1, 0, 1), Job(2, 0, 1), Job(2, 1, 0)]


plans = st.fixed_dictionaries(
    {
        "participants": st.lists(st.lists(st.integers(0, 4), unique=True), max_size=12),
        "delays_rounds": st.dictionaries(st.integers(0, 4), st.integers(0, 6)),
        "early_rounds": st.sampled_from(["on-time", "absent"]),
    }
)


@given(plans, st.booleans())
def test_every_job_starts_in_a_round_and_arrives_in_the_same_or_a_later_one(
    plan: dict[str, Any], pipeline: bool
) -> None:
    for job in plan_jobs(**plan, pipeline=pipeline):
        assert job.staleness_rounds in (0, plan["delays_rounds"].get(job.client, 0))
        assert 1 <= job.dispatched_round <= job.arrived_round


@given(plans)
def test_pipeline_jobs_arrive_when_their_clients_take_part(plan: dict[str, Any]) -> None:
    for job in plan_jobs(**plan):
        assert job.client in plan["participants"][job.arrived_round - 1]


@given(plans)
def test_one_at_a_time_a_client_never_has_two_jobs_at_work(plan: dict[str, Any]) -> None:
    jobs = plan_jobs(**plan, pipeline=False)
    for client in range(5):
        own = sorted(jobs_of(client, jobs))
        for (_, arrived), (dispatched, _) in pairwise(own):
            assert arrived < dispatched
    for job in jobs:
        assert job.client in plan["participants"][job.dispatched_round - 1]


def test_first_late_round() -> None:
    assert first_late_round(plan_jobs(EVERYONE, {1: 2})) == 3
    assert first_late_round(plan_jobs(EVERYONE, {})) is None


def test_delays() -> None:
    assert client_delays(StalenessTable(rounds=7), [3, 5]) == {3: 7, 5: 7}
    assert client_delays(StalenessTable(rounds=0), [3, 5]) == {}


@pytest.mark.parametrize(
    ("clients_per_round", "clients", "count"),
    [(3, 10, 3), (10, 10, 10), (99, 10, 10), (1, 10, 1), (1.0, 10, 10), (0.25, 10, 3), (0.1, 10, 1), (0.01, 10, 1)],
)
@pytest.mark.parametrize("selection", ["random", "round-robin"])
def test_counts_and_shares(clients_per_round: int | float, clients: int, count: int, selection: Any) -> None:
    spec = TrainingTable(clients_per_round=clients_per_round, selection=selection)
    for t in range(1, 20):
        chosen = draw_participants(spec, clients, t, seed=0)
        assert len(chosen) == count
        assert chosen == sorted(set(chosen))
        assert set(chosen) <= set(range(clients))


def test_round_robin_goes_around() -> None:
    spec = TrainingTable(clients_per_round=2, selection="round-robin")
    assert [draw_participants(spec, 5, t, seed=0) for t in (1, 2, 3, 4)] == [[0, 1], [2, 3], [0, 4], [1, 2]]


def test_random_choice_depends_on_seed_and_round_alone_and_is_fair() -> None:
    spec = TrainingTable(clients_per_round=2)
    draws = [tuple(draw_participants(spec, 5, t, seed=0)) for t in range(1, 501)]
    assert draws == [tuple(draw_participants(spec, 5, t, seed=0)) for t in range(1, 501)]
    assert draws != [tuple(draw_participants(spec, 5, t, seed=1)) for t in range(1, 501)]
    counts = Counter(client for draw in draws for client in draw)
    assert all(150 < counts[client] < 250 for client in range(5))
