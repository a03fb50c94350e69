from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensated, Compensator, Options, ServerView, State
from stalefl.seeds import named_generator
from stalefl.server.round import ServerRound, average_buffers, server_round
from tests.fixtures import update, view

NAN, INF = float("nan"), float("inf")


class Recorder(Compensator):
    """Keeps the order of its calls, what it saw and what it drew in its state; breaks the updates of client 66."""

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        drawn = float(torch.rand((), generator=view.generator))
        calls = [*state.get("calls", []), (update.client, view.staleness_rounds, drawn)]
        delta = update.delta * NAN if update.client == 66 else 2 * update.delta
        return Compensated(delta, float(update.samples), {"calls": calls}, iterations=3)

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        return weights + 100, {**state, "refined": True}


def one_round(*updates: ClientUpdate, method: Compensator | None = None, **known) -> ServerRound:
    return server_round(
        method or Compensator(Options()),
        view([1.0, 1.0], **known),
        updates,
        {},
        lambda update: named_generator(0, "compensate", update.client),
    )


def test_by_default_the_round_is_fedavg() -> None:
    outcome = one_round(update([1.0, 0.0], client=1, samples=3), update([0.0, 4.0], client=2, samples=1))
    assert outcome.weights.tolist() == [1.75, 2.0]
    assert [c.update.client for c in outcome.contributions] == [1, 2]
    assert (outcome.rejected, outcome.inversion_iterations) == ((), 0)


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
def test_an_update_that_is_not_finite_is_rejected_and_named(broken: float) -> None:
    outcome = one_round(update([1.0, 0.0], client=1), update([0.0, broken], client=2, samples=99))
    assert outcome.weights.tolist() == [2.0, 1.0]
    assert (outcome.rejected, outcome.causes) == ((2,), ("arrived",))


def test_broken_batch_norm_statistics_reject_the_update() -> None:
    good, broken = (update([1.0, 0.0], client=i, buffers={"mean": torch.tensor([m])}) for i, m in enumerate([5.0, NAN]))
    outcome = one_round(good, broken, buffers={"mean": torch.tensor([1.0])})
    assert outcome.rejected == (1,)
    assert outcome.buffers["mean"].tolist() == [5.0]


def test_with_all_updates_rejected_weights_and_buffers_stay() -> None:
    buffers = {"mean": torch.tensor([1.0])}
    outcome = one_round(update([NAN, 0.0], client=1), update([INF, 0.0], client=2), buffers=buffers)
    assert outcome.weights.tolist() == [1.0, 1.0]
    assert outcome.buffers == buffers
    assert outcome.rejected == (1, 2)


def test_a_contribution_tells_what_the_compensation_took_and_says() -> None:
    class Talkative(Compensator):
        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            iterations = 10 * update.client
            return Compensated(update.delta, 1.0, state, iterations, {"odd": update.client % 2 == 1})

    outcome = one_round(*[update([1.0, 0.0], client=client) for client in (1, 2)], method=Talkative(Options()))
    assert [(c.iterations, c.facts) for c in outcome.contributions] == [(10, {"odd": True}), (20, {"odd": False})]
    assert outcome.inversion_iterations == 30
    silent = one_round(update([1.0, 0.0])).contributions[0]
    assert (silent.iterations, dict(silent.facts)) == (0, {})


def test_every_step_sees_what_is_awaited() -> None:
    class Watcher(Compensator):
        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            return Compensated(update.delta, 1.0, {"compensate": view.awaited})

        def aggregate(self, contributions: Any, view: ServerView, state: State) -> tuple[Tensor, State]:
            return view.weights, {**state, "aggregate": view.awaited}

        def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
            return weights, {**state, "refine": view.awaited}

    outcome = one_round(update([1.0, 0.0]), method=Watcher(Options()), awaited=[(4, 2)])
    assert outcome.state == {step: {(4, 2)} for step in ("compensate", "aggregate", "refine")}


class Preparing(Compensator):
    """Remembers what it was given to prepare, and draws."""

    def prepare(self, arrivals: Any, state: State) -> State:
        return {
            "prepared": [
                (u.client, v.staleness_rounds, float(torch.rand((), generator=v.generator))) for u, v in arrivals
            ]
        }

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        drawn = float(torch.rand((), generator=view.generator))
        return Compensated(update.delta, 1.0, {**state, update.client: drawn})


def test_a_method_may_prepare_all_updates_at_once_and_sees_what_compensate_will_see() -> None:
    updates = [
        update([1.0, 0.0], client=2, staleness_rounds=5),
        update([1.0, 0.0], client=1),
        update([NAN, 0.0], client=9),
    ]
    state = one_round(*updates, method=Preparing(Options())).state
    assert [(client, staleness) for client, staleness, _ in state["prepared"]] == [(1, 0), (2, 5)]
    # The same generator, from its start.
    assert {client: drawn for client, _, drawn in state["prepared"]} == {1: state[1], 2: state[2]}


def test_without_updates_weights_stay() -> None:
    assert one_round().weights.tolist() == [1.0, 1.0]


def test_fresh_updates_are_compensated_before_stale_ones() -> None:
    updates = [update([1.0, 0.0], client=c, staleness_rounds=s) for c, s in [(5, 20), (9, 0), (7, 3), (2, 0), (1, 3)]]
    outcome = one_round(*updates, method=Recorder(Options()))
    assert [call[:2] for call in outcome.state["calls"]] == [(2, 0), (9, 0), (1, 3), (7, 3), (5, 20)]
    assert outcome.inversion_iterations == 15


def test_the_order_of_arrival_changes_nothing() -> None:
    updates = [update([0.1 * c, 0.3], client=c, samples=c + 1, staleness_rounds=c % 3) for c in range(6)]
    forth, back = (one_round(*order, method=Recorder(Options())) for order in (updates, updates[::-1]))
    assert torch.equal(forth.weights, back.weights)
    assert forth.state == back.state


def test_a_compensation_that_is_not_finite_is_rejected_and_leaves_no_trace_in_the_state() -> None:
    outcome = one_round(update([1.0, 0.0], client=1), update([1.0, 1.0], client=66), method=Recorder(Options()))
    assert (outcome.rejected, outcome.causes) == ((66,), ("compensated",))
    assert [call[0] for call in outcome.state["calls"]] == [1]
    assert outcome.weights.tolist() == [103.0, 101.0]


def test_refine_comes_last_even_without_updates() -> None:
    outcome = one_round(method=Recorder(Options()))
    assert outcome.weights.tolist() == [101.0, 101.0]
    assert outcome.state["refined"]


def test_buffers_are_averaged_by_samples_and_counters_take_the_greatest() -> None:
    current = {"mean": torch.tensor([9.0, 9.0]), "count": torch.tensor(1)}
    updates = [
        replace(update([0.0], samples=1), buffers={"mean": torch.tensor([1.0, 0.0]), "count": torch.tensor(5)}),
        replace(update([0.0], samples=3), buffers={"mean": torch.tensor([5.0, 4.0]), "count": torch.tensor(2)}),
    ]
    averaged = average_buffers(updates, current)
    assert averaged["mean"].tolist() == [4.0, 3.0]
    assert averaged["count"] == torch.tensor(5)
    assert averaged["count"].dtype == torch.int64


def test_rounding_does_not_move_what_no_client_changed() -> None:
    buffers = {"table": torch.rand(40)}
    updates = [update([0.0], samples=samples, buffers=buffers) for samples in (3, 7, 11)]
    assert torch.equal(average_buffers(updates, buffers)["table"], buffers["table"])


def test_without_updates_buffers_stay() -> None:
    current = {"mean": torch.tensor([9.0])}
    assert average_buffers([], current) == current


def test_a_sum_that_overflows_leaves_the_model_and_rejects_its_updates() -> None:
    huge = torch.finfo(torch.float32).max

    class Doubling(Compensator):
        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            return Compensated(update.delta, 1.0, state)

        def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
            return 2 * weights, {"refined": True}

    result = one_round(update([huge, 0.0], client=1), update([huge, 0.0], client=2), method=Doubling(Options()))
    torch.testing.assert_close(result.weights, torch.tensor([1.0, 1.0]))
    assert (result.rejected, result.contributions, result.state) == ((1, 2), (), {})
    assert result.causes == ("aggregated", "aggregated")


def test_a_weight_that_is_not_finite_rejects_the_update() -> None:
    class Weightless(Compensator):
        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            return Compensated(update.delta, NAN if update.client == 2 else 1.0, state)

    result = one_round(update([1.0, 1.0], client=1), update([5.0, 5.0], client=2), method=Weightless(Options()))
    assert result.rejected == (2,)
    torch.testing.assert_close(result.weights, torch.tensor([2.0, 2.0]))
