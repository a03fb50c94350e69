from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from stalefl.audit.attempts import (
    Attempt,
    AttemptResult,
    all_attempts,
    best,
    is_done,
    load_best,
    make_attempt,
    make_attempts,
)
from stalefl.audit.audit import Audit, reopen_audit
from stalefl.machine.processes import new_stop
from stalefl.storage import load_tree, save_tree
from tests.audit.problem import CONTEXT, folder, opened, recovered, write

LABEL = torch.tensor([3])
TABLES = {"audit": {"defences": ["none", "noise=0.01"], "restarts": 2}}


def attacked(audit: Audit, jobs: int = 1, stop_after: int = 10**9) -> bool:
    stop, told = new_stop(), []

    def on_share(share: float) -> None:
        told.append(share)
        if sum(attempt.path.is_file() for attempt in all_attempts(audit)) >= stop_after:
            stop.set()

    whole = make_attempts(audit, jobs, on_share, stop)
    assert told == sorted(told)
    assert (told[-1] == 1.0) == whole
    return whole


def results(audit: Audit) -> dict[str, AttemptResult]:
    return {str(a.path.relative_to(audit.folder.path)): AttemptResult(**load_tree(a.path)) for a in all_attempts(audit)}


def assert_same(some: Audit, others: Audit) -> None:
    mine, theirs = results(some), results(others)
    assert mine.keys() == theirs.keys()
    for name, found in mine.items():
        other = theirs[name]
        assert found.inputs is not None
        assert other.inputs is not None
        assert torch.equal(found.inputs, other.inputs), name
        assert torch.equal(found.labels, other.labels), name
        assert (found.loss, found.iterations) == (other.loss, other.iterations)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    audit = opened(tmp_path_factory.mktemp("audit") / "whole", **TABLES)
    assert attacked(audit)
    return audit


def test_case_by_case_every_cell_and_every_restart(uninterrupted: Audit) -> None:
    order = [(a.case, a.attack, a.defence, a.restart) for a in all_attempts(uninterrupted)]
    of_a_case = [("idlg", defence, restart) for defence in ("none", "noise=0.01") for restart in (0, 1)]
    assert order == [(case, *rest) for case in (0, 1) for rest in of_a_case]


def test_restarts_defences_and_cases_are_draws_of_their_own(uninterrupted: Audit) -> None:
    inputs = [found.inputs for found in results(uninterrupted).values()]
    assert len(inputs) == 8
    assert len({tuple(one.flatten().tolist()) for one in inputs if one is not None}) == 8


def test_two_at_a_time_find_the_same(uninterrupted: Audit, tmp_path: Path) -> None:
    audit = opened(tmp_path / "two", **TABLES)
    assert attacked(audit, jobs=2)
    assert_same(audit, uninterrupted)


def test_stopped_and_gone_on_with_is_uninterrupted(uninterrupted: Audit, tmp_path: Path) -> None:
    assert not attacked(opened(tmp_path / "out", **TABLES), stop_after=3)
    audit = reopen_audit(tmp_path / "out", CONTEXT)
    assert [is_done(attempt) for attempt in all_attempts(audit)] == [True] * 3 + [False] * 5
    assert attacked(audit)
    assert_same(audit, uninterrupted)


def test_an_attack_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    attempt = all_attempts(opened(tmp_path / "out"))[0]
    assert make_attempt(attempt, lambda share: None, lambda: True) is None
    assert not attempt.path.exists()


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    audit = opened(tmp_path / "out")
    mine = recovered(LABEL, torch.zeros(1, 1, 8, 8), loss=42.0)
    write(all_attempts(audit)[0], mine)
    assert attacked(audit)
    kept, made = (AttemptResult(**load_tree(attempt.path)) for attempt in all_attempts(audit))
    assert kept.loss == 42.0
    assert made.loss != 42.0


def damage_bytes(attempt: Attempt) -> None:
    content = bytearray(attempt.path.read_bytes())
    content[-9] ^= 1
    attempt.path.write_bytes(content)


def damage_end(attempt: Attempt) -> None:
    attempt.path.write_bytes(attempt.path.read_bytes()[:-20])


def put_something_else(attempt: Attempt) -> None:
    save_tree(attempt.path, {"loss": 1.0})


@pytest.mark.parametrize("damage", [damage_bytes, damage_end, put_something_else])
def test_a_damaged_attempt_is_no_attempt_and_is_made_again(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    audit = opened(tmp_path / "out")
    first = all_attempts(audit)[0]
    write(first, recovered(LABEL, None))
    damage(first)
    assert not is_done(first)
    assert load_best(audit.folder, "idlg", "none", 0, restarts=1) is None
    assert attacked(audit)
    assert is_done(first)


def test_the_least_finite_loss_is_kept_and_the_first_of_equals() -> None:
    tries = [recovered(LABEL, None, loss) for loss in (math.nan, 0.5, math.inf, 0.2, 0.2, -math.inf)]
    assert best(tries) is tries[3]
    assert best([tries[0], tries[2]]) is tries[0]


def test_the_best_of_the_attempts_that_are_there(tmp_path: Path) -> None:
    audit = opened(tmp_path / "out", audit={"restarts": 3})
    assert load_best(audit.folder, "idlg", "none", 0, restarts=3) is None
    for attempt, loss in zip(all_attempts(audit)[1:3], (0.3, 0.2), strict=True):
        write(attempt, recovered(LABEL, None, loss))
    found = load_best(audit.folder, "idlg", "none", 0, restarts=3)
    assert found is not None
    assert (found.loss, found.inputs) == (0.2, None)


def test_a_folder_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    """The same experiment in the same folder, but from other weights: in one process, too."""
    first = opened(tmp_path / "out")
    assert attacked(first)
    before = results(first)
    other = first.bench.cases[0]
    save_tree(folder(tmp_path / "out").cases, [{**case.to_tree(), "delta": other.delta} for case in first.bench.cases])
    second = reopen_audit(tmp_path / "out", CONTEXT)
    for attempt in all_attempts(second):
        attempt.path.unlink()
    assert attacked(second)
    after = results(second)
    first_case, second_case = before.keys()
    a, b = after[second_case].inputs, before[second_case].inputs
    assert a is not None
    assert b is not None
    assert not torch.equal(a, b)
    assert after[first_case].loss == before[first_case].loss
