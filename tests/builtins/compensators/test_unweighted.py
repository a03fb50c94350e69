from __future__ import annotations

import pytest

from stalefl.builtins.compensators.unstale import Unstale
from stalefl.builtins.compensators.unweighted import Unweighted
from stalefl.contracts import Contribution, Options
from tests.fixtures import update, view


def test_a_late_update_counts_as_it_is_with_its_samples() -> None:
    late = update([1.0, 2.0], samples=7, staleness_rounds=40)
    compensated = Unweighted(Options()).compensate(late, view(), {})
    assert compensated.delta is late.delta
    assert (compensated.weight, compensated.iterations) == (7.0, 0)


def test_default_aggregate_adds_the_weighted_mean_and_leaves_its_arguments_alone() -> None:
    now = view([1.0, 1.0])
    contributions = [Contribution(u, u.delta, w) for u, w in [(update([4.0, 0.0]), 1.0), (update([0.0, 8.0]), 3.0)]]
    weights, state = Unweighted(Options()).aggregate(contributions, now, {"a": 1})
    assert weights.tolist() == [2.0, 7.0]
    assert state == {"a": 1}
    assert now.weights.tolist() == [1.0, 1.0]
    assert contributions[0].delta.tolist() == [4.0, 0.0]


def test_contributions_without_any_weight_leave_the_model_as_it_is() -> None:
    late = update([4.0, 0.0])
    weights, _ = Unweighted(Options()).aggregate([Contribution(late, late.delta, 0.0)], view([1.0, 1.0]), {})
    assert weights.tolist() == [1.0, 1.0]


def test_default_dispatch_sends_the_current_weights_and_refine_keeps_them() -> None:
    now = view([1.0, 2.0])
    method = Unweighted(Options())
    assert method.dispatch(3, now, {}) is now.weights
    assert method.refine(now.weights, now, {}) == (now.weights, {})


@pytest.mark.parametrize(("method", "expected"), [(Unstale, True), (Unweighted, False)])
def test_only_the_reference_is_simulated_without_staleness(method: type, expected: bool) -> None:
    assert method.without_staleness is expected
