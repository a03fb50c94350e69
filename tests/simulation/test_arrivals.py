from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stalefl.config.schema import StalenessTable, TrainingTable
from stalefl.data.trace import TraceRow
from stalefl.simulation.arrivals import (
    Job,
    draw_participants,
    first_late_arrival,
    plan,
    plan_drawn_jobs,
    plan_jobs,
    plan_trace,
)
from stalefl.simulation.delays import Delay, always, client_delays

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


def by_round(*delays: int) -> Delay:
    """Delays of the updates begun in rounds 1, 2, ..., the last of them from then on."""
    return lambda t: delays[min(t, len(delays)) - 1]


def test_drawn_delays_updates_overtake_each_other_and_several_arrive_in_a_round() -> None:
    jobs = plan_drawn_jobs([[0]] * 4, {0: by_round(3, 2, 0, 1)})
    # On time as well until the first late update, that of round 3, arrives.
    assert jobs_of(0, jobs) == [(1, 1), (2, 2), (3, 3), (2, 4), (1, 4), (4, 5)]


def test_drawn_delays_absent_in_the_early_rounds() -> None:
    jobs = plan_drawn_jobs([[0]] * 4, {0: by_round(3, 2, 0, 1)}, early_rounds="absent")
    assert jobs_of(0, jobs) == [(3, 3), (2, 4), (1, 4), (4, 5)]


def test_drawn_delays_one_at_a_time() -> None:
    delays = {0: by_round(2, 9, 3, 9, 9, 9, 1, 9, 0, 2)}
    jobs = plan_drawn_jobs([[0]] * 10, delays, pipeline=False)
    # On time for as long as the first delay; then always idle before it begins.
    assert jobs_of(0, jobs) == [(1, 1), (2, 2), (3, 6), (7, 8), (9, 9), (10, 12)]
    assert jobs_of(0, plan_drawn_jobs([[0]] * 6, delays, pipeline=False, early_rounds="absent")) == [(3, 6)]


delays_by_round = st.lists(st.integers(0, 9), min_size=1, max_size=12)


@given(plans, st.lists(delays_by_round, min_size=5, max_size=5), st.booleans())
def test_more_rounds_change_no_earlier_job(plan: dict[str, Any], delays: list[list[int]], pipeline: bool) -> None:
    drawn = {client: by_round(*delays[client]) for client in plan["delays_rounds"]}
    how: Any = {"pipeline": pipeline, "early_rounds": plan["early_rounds"]}
    whole = plan_drawn_jobs(plan["participants"], drawn, **how)
    for rounds in range(len(plan["participants"])):
        part = plan_drawn_jobs(plan["participants"][:rounds], drawn, **how)
        assert part == [job for job in whole if job.dispatched_round <= rounds]


@given(plans, st.lists(delays_by_round, min_size=5, max_size=5))
def test_a_client_begins_late_updates_only_when_it_takes_part_and_one_by_round(
    plan: dict[str, Any], delays: list[list[int]]
) -> None:
    drawn = {client: by_round(*delays[client]) for client in plan["delays_rounds"]}
    jobs = plan_drawn_jobs(plan["participants"], drawn, early_rounds=plan["early_rounds"])
    assert len(jobs) == len(set(jobs))
    late = [(job.client, job.dispatched_round) for job in jobs if job.staleness_rounds]
    assert len(late) == len(set(late))
    for job in jobs:
        assert job.client in plan["participants"][job.dispatched_round - 1]


@given(st.integers(0, 6), st.integers(0, 12), st.sampled_from(["on-time", "absent"]), st.booleans())
def test_one_delay_for_all_updates_is_the_constant_schedule(
    delay: int, rounds: int, early: Any, pipeline: bool
) -> None:
    everyone = [[0, 1]] * rounds
    how: Any = {"pipeline": pipeline, "early_rounds": early}
    drawn, constant = plan_drawn_jobs(everyone, {1: always(delay)}, **how), plan_jobs(everyone, {1: delay}, **how)
    assert [job for job in drawn if job.arrived_round <= rounds] == [j for j in constant if j.arrived_round <= rounds]


# --- a whole plan ---------------------------------------------------------------------------------------------------

HALF = TrainingTable(clients_per_round=3)


def planned(length: int = 30, late: tuple[int, ...] = (1, 4), **keys: Any) -> list[Job]:
    on_time = keys.pop("all_on_time", False)
    return plan(StalenessTable(**keys), HALF, 6, late, length, seed=0, all_on_time=on_time)


SCHEDULES: list[dict[str, Any]] = [
    {"schedule": "constant", "rounds": 4},
    {"schedule": "uniform", "least_rounds": 0, "greatest_rounds": 9},
    {"schedule": "lognormal", "median_rounds": 6.0, "redraw": "per-job"},
    {"schedule": "pareto", "least_rounds": 2, "shape": 1.0, "redraw": "per-job"},
]


@pytest.mark.parametrize("keys", SCHEDULES, ids=lambda keys: keys["schedule"])
@pytest.mark.parametrize("pipeline", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_longer_run_has_the_same_arrivals(keys: dict[str, Any], pipeline: bool, dropout: float) -> None:
    short, long = (planned(t, pipeline=pipeline, dropout=dropout, **keys) for t in (30, 50))

    def begun_by_30(jobs: list[Job]) -> list[Job]:
        return [job for job in jobs if job.dispatched_round <= 30]

    assert begun_by_30(short) == begun_by_30(long)


@pytest.mark.parametrize("keys", SCHEDULES, ids=lambda keys: keys["schedule"])
def test_nobody_else_is_touched_by_who_is_late(keys: dict[str, Any]) -> None:
    few, many = (planned(late=late, dropout=0.3, **keys) for late in [(4,), (1, 4)])
    assert jobs_of(4, few) == jobs_of(4, many)
    assert jobs_of(0, few) == jobs_of(0, many) == jobs_of(0, planned(late=(), **keys))


def test_lost_updates_are_not_planned() -> None:
    keys: dict[str, Any] = {"schedule": "uniform", "redraw": "per-job"}
    whole, some = planned(**keys), planned(dropout=0.5, **keys)
    assert set(some) < set(whole)
    assert {job.client for job in set(whole) - set(some)} == {1, 4}
    assert {job.client for job in planned(dropout=1.0, **keys)} == {0, 2, 3, 5}


@pytest.mark.parametrize("keys", SCHEDULES, ids=lambda keys: keys["schedule"])
def test_the_reference_is_on_time_and_whole(keys: dict[str, Any]) -> None:
    arrivals = [job for job in planned(all_on_time=True, dropout=0.5, **keys) if job.arrived_round <= 30]
    assert arrivals == [Job(t, 0, client) for t in range(1, 31) for client in draw_participants(HALF, 6, t, 0)]


def test_a_trace_takes_the_place_of_all_that_its_clients_do() -> None:
    rows = [TraceRow(1, 3, 5), TraceRow(1, 4, 5), TraceRow(2, 2, 2)]
    jobs = plan_trace([[0, 1, 2]] * 3, rows)
    assert jobs_of(0, jobs) == [(1, 1), (2, 2), (3, 3)]
    assert jobs_of(1, jobs) == [(4, 5), (3, 5)]
    assert jobs_of(2, jobs) == [(2, 2)]
    assert jobs_of(1, plan_trace([[0, 1, 2]] * 3, rows, all_on_time=True)) == [(3, 3), (4, 4)]


def test_first_late_arrival() -> None:
    assert first_late_arrival(plan_jobs(EVERYONE, {1: 2})) == 3
    assert first_late_arrival(plan_jobs(EVERYONE, {})) is None


def test_delays() -> None:
    assert client_delays(StalenessTable(rounds=7), [3, 5], seed=0) == {3: 7, 5: 7}
    assert client_delays(StalenessTable(rounds=0), [3, 5], seed=0) == {3: 0, 5: 0}


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
