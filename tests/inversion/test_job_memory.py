from __future__ import annotations

from stalefl.inversion.job_memory import job_key, still_awaited
from tests.fixtures import view


def test_jobs_differ_in_client_and_round() -> None:
    assert len({job_key(1, 11), job_key(11, 1), job_key(1, 1), job_key(11, 11)}) == 4


def test_only_what_updates_to_come_will_ask_for_is_kept() -> None:
    kept = {job_key(3, 7): "a", job_key(3, 8): "b", job_key(4, 7): "c"}
    assert still_awaited(kept, view(awaited=[(3, 8), (4, 7), (5, 1)])) == {job_key(3, 8): "b", job_key(4, 7): "c"}
    assert still_awaited(kept, view()) == {}
    assert len(kept) == 3
