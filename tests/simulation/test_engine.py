from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.builtins.compensators.inversion import Inversion, InversionOptions
from stalefl.builtins.compensators.unweighted import Unweighted
from stalefl.builtins.compensators.w_pred import WPred, WPredOptions
from stalefl.contracts import ClientUpdate, Compensated, Compensator, Options, ServerView, State
from stalefl.registry import load_registry
from stalefl.seeds import named_generator
from stalefl.simulation.arrivals import Job, plan_jobs
from stalefl.simulation.engine import Simulation, SimulationState, rounds, run_round, start
from stalefl.simulation.oracle import update_error
from stalefl.simulation.round_outcome import LateUpdate, RoundOutcome
from stalefl.storage import load_tree, save_tree
from stalefl.training.local_update import local_update
from tests.fixtures import (
    METHODS,
    SPEC,
    TRAINING,
    MemoryData,
    Parts,
    batch_norm_model,
    dropout_model,
    quick_options,
    samples,
    tiny_mlp,
)

DATA = MemoryData([samples(count, seed) for seed, count in enumerate([4, 8, 12])])
LATE = {2: 3}
"""Client 2 is late by 3 rounds."""


class Recorder(Unweighted):
    """Keeps all updates it sees in its state."""

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        seen = [*state.get("seen", []), update]
        return Compensated(update.delta, float(update.samples), {"seen": seen})


def simulation(
    method: Compensator | None = None, delays: dict[int, int] | None = None, parts: Parts | None = None, **known: Any
) -> tuple[Simulation, SimulationState]:
    model, weights, buffers = parts or tiny_mlp()
    sim = Simulation(
        model=model,
        method=method or Unweighted(Options()),
        data=DATA,
        input_spec=SPEC,
        training=TRAINING,
        jobs=plan_jobs([[0, 1, 2]] * 12, delays or {}),
        seed=0,
        **known,
    )
    return sim, start(sim, weights, buffers)


def simulated(last_round: int, *args: Any, **known: Any) -> tuple[list[SimulationState], list[RoundOutcome]]:
    states, outcomes = zip(*rounds(*simulation(*args, **known), last_round), strict=True)
    return list(states), list(outcomes)


def trained(weights: Tensor, client: int, round: int = 1, parts: Parts | None = None) -> Tensor:
    """The delta of a client, by hand."""
    model, _, buffers = parts or tiny_mlp()
    generator = named_generator(0, "local-training", round, client)
    return local_update(model, weights, buffers, *DATA.client_data(client, round), TRAINING, generator).delta


def test_without_delays_unweighted_is_fedavg() -> None:
    states, outcomes = simulated(3)
    weights = tiny_mlp()[1]
    for state in states:
        deltas = [trained(weights, client) for client in range(3)]
        weights = weights + (4 * deltas[0] + 8 * deltas[1] + 12 * deltas[2]) / 24
        assert torch.allclose(state.weights, weights, atol=1e-6)
    assert [o.participants for o in outcomes] == [(0, 1, 2)] * 3
    assert [o.staleness_rounds for o in outcomes] == [()] * 3


def test_a_late_update_is_trained_from_the_weights_of_its_dispatch() -> None:
    states, outcomes = simulated(6, Recorder(Options()), LATE)
    before = [tiny_mlp()[1], *(state.weights for state in states)]
    late = [u for u in states[-1].method_state["seen"] if u.client == 2]
    assert [(u.dispatched_round, u.arrived_round) for u in late] == [(1, 1), (2, 2), (3, 3), (1, 4), (2, 5), (3, 6)]
    for seen in late:
        base = before[seen.dispatched_round - 1]
        assert torch.equal(seen.base_weights, base)
        assert torch.equal(seen.delta, trained(base, 2))
    assert [o.staleness_rounds for o in outcomes] == [(), (), (), (3,), (3,), (3,)]


def test_local_training_draws_are_named_by_dispatch_round_and_client() -> None:
    parts = dropout_model()
    states, _ = simulated(4, Recorder(Options()), LATE, parts=parts)
    first, late = (
        next(u for u in states[-1].method_state["seen"] if (u.client, u.arrived_round) == (2, t)) for t in (1, 4)
    )
    assert torch.equal(first.delta, trained(parts[1], 2, 1, parts))
    assert torch.equal(late.delta, first.delta)


def test_a_late_client_trains_on_the_data_of_its_dispatch() -> None:
    class Drifting(MemoryData):
        def client_data(self, client: int, round: int) -> tuple[Tensor, Tensor]:
            inputs, targets = super().client_data(client, round)
            return inputs[: len(inputs) - round], targets[: len(targets) - round]

    sim, first = simulation(Recorder(Options()), LATE)
    sim = Simulation(sim.model, sim.method, Drifting(DATA.clients), SPEC, TRAINING, sim.jobs, 0)
    last = [state for state, _ in rounds(sim, first, 5)][-1]
    assert [u.samples for u in last.method_state["seen"] if u.client == 2] == [11, 10, 9, 11, 10]


def test_models_are_forgotten_when_no_pending_update_needs_them() -> None:
    states, _ = simulated(6, delays=LATE)
    assert sorted(states[-1].history.sent) == [(2, 4, 7), (2, 5, 8), (2, 6, 9)]


def test_the_method_decides_what_late_clients_are_sent() -> None:
    states, _ = simulated(6, WPred(WPredOptions()), LATE)
    plain, _ = simulated(6, delays=LATE)
    assert torch.equal(states[3].weights, plain[3].weights)  # sent in round 1, when nothing had moved yet
    assert not torch.equal(states[4].weights, plain[4].weights)


def test_a_round_leaves_the_state_it_starts_from_alone() -> None:
    sim, state = simulation(delays=LATE)
    for _ in range(4):
        state, _ = run_round(sim, state)
    weights, pending = state.weights.clone(), list(state.history.sent)
    one, _ = run_round(sim, state)
    again, _ = run_round(sim, state)
    assert torch.equal(state.weights, weights)
    assert list(state.history.sent) == pending
    assert torch.equal(one.weights, again.weights)


def test_a_simulation_goes_on_from_a_checkpoint_bit_for_bit(tmp_path: Any) -> None:
    method = Inversion(InversionOptions(size=3, iterations=3, warm_iterations=2))
    sim, state = simulation(method, LATE, batch_norm_model(), oracle=True)
    whole = list(rounds(sim, state, 8))
    save_tree(tmp_path / "tree", whole[4][0].to_tree())
    rest = list(rounds(sim, SimulationState.from_tree(load_tree(tmp_path / "tree")), 8))
    assert [outcome.round for _, outcome in rest] == [6, 7, 8]
    assert torch.equal(rest[-1][0].weights, whole[-1][0].weights)
    assert all(torch.equal(rest[-1][0].buffers[name], b) for name, b in whole[-1][0].buffers.items())
    assert [o.estimate_error for _, o in rest] == [o.estimate_error for _, o in whole[5:]]


def test_broken_training_is_rejected_and_reported() -> None:
    inputs, targets = samples(4)
    sim, state = simulation()
    broken = MemoryData([DATA.clients[0], (inputs * float("nan"), targets), DATA.clients[2]])
    sim = Simulation(sim.model, sim.method, broken, SPEC, TRAINING, sim.jobs, 0)
    after, outcome = run_round(sim, state)
    assert outcome.rejected == (1,)
    assert outcome.participants == (0, 1, 2)
    assert torch.isfinite(after.weights).all()
    assert not torch.equal(after.weights, state.weights)


def test_a_round_without_participants_changes_nothing() -> None:
    sim, state = simulation()
    sim = Simulation(sim.model, sim.method, DATA, SPEC, TRAINING, plan_jobs([[], [0]], {}), 0)
    after, outcome = run_round(sim, state)
    assert torch.equal(after.weights, state.weights)
    assert (outcome.round, outcome.participants) == (1, ())


# --- several updates of a client in one round, and none for long ----------------------------------------------------

TWICE = [Job(1, 0, 0), Job(2, 0, 0), Job(4, 2, 2), Job(4, 3, 2), Job(4, 0, 0), Job(90, 89, 1)]
"""In round 4 two updates of client 2 arrive, begun in rounds 1 and 2; client 1 takes 89 rounds."""


def planned(jobs: Sequence[Job], method: Compensator | None = None, **known: Any) -> tuple[Simulation, SimulationState]:
    sim = replace(simulation(method, **known)[0], jobs=sorted(jobs))
    return sim, start(sim, *tiny_mlp()[1:])


def test_every_update_of_a_client_that_arrives_in_a_round_counts() -> None:
    sim, state = planned(TWICE, Recorder(Options()), oracle=True)
    states = [state, *(state for state, _ in rounds(sim, state, 4))]
    *_, (last, outcome) = rounds(sim, state, 4)
    seen = [(u.client, u.dispatched_round) for u in last.method_state["seen"][-3:]]
    assert seen == [(0, 4), (2, 2), (2, 1)]
    assert outcome.participants == (0, 2)
    assert outcome.staleness_rounds == (2, 3)
    assert [late.staleness_rounds for late in outcome.late_updates] == [2, 3]
    # Each was trained from the model of its own dispatch; both are compared with the one truth of today.
    for update in last.method_state["seen"][-2:]:
        assert torch.equal(update.delta, trained(states[update.dispatched_round - 1].weights, 2))
    truth = trained(states[3].weights, 2)
    for late, update in zip(outcome.late_updates, last.method_state["seen"][-2:], strict=True):
        assert late.stale_error == update_error(update.delta, truth)


def test_updates_of_a_client_in_one_round_draw_apart_and_the_last_begun_as_if_alone() -> None:
    class Drawing(Compensator):
        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            drawn = float(torch.rand((), generator=view.generator))
            return Compensated(update.delta, 1.0, state, facts={"drawn": drawn})

    def drawn(jobs: Sequence[Job]) -> list[float | bool]:
        *_, (_, outcome) = rounds(*planned(jobs, Drawing(Options())), 4)
        return [late.facts["drawn"] for late in outcome.late_updates]

    both, alone = drawn(TWICE), drawn([job for job in TWICE if job.staleness_rounds != 3])
    assert both[0] == alone[0] != both[1]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_two_updates_of_a_client_and_rounds_without_any(name: str) -> None:
    method = load_registry().create("method", name, quick_options(name))
    *_, (state, outcome) = rounds(*planned(TWICE, method, oracle=True), 90)
    assert outcome.staleness_rounds == (89,)
    assert torch.isfinite(state.weights).all()
    assert not state.history.sent


def test_the_first_of_a_clients_updates_is_fitted_together_with_others_the_next_from_what_it_found() -> None:
    method = Inversion(InversionOptions(size=3, iterations=3, warm_iterations=2, batch="always"))
    *_, (state, outcome) = rounds(*planned(TWICE, method), 4)
    assert [late.iterations for late in outcome.late_updates] == [3, 2]
    assert state.method_state["prepared"] == {}


def test_memory_is_bounded_by_what_is_under_way() -> None:
    """An update that arrives 300 rounds late needs its own model only, not those in between."""
    jobs = [Job(301, 300, 2), *(Job(t, 2, 0) for t in range(3, 400))]
    states = [state for state, _ in rounds(*planned(jobs, Recorder(Options())), 301)]
    assert max(len({id(sent.weights) for sent in state.history.sent.values()}) for state in states) == 3
    late = [update for update in states[-1].method_state["seen"] if update.client == 2]
    assert [(u.dispatched_round, u.arrived_round) for u in late] == [(1, 301)]
    assert torch.equal(late[0].delta, trained(tiny_mlp()[1], 2))


def test_late_clients_may_train_on_the_data_of_today() -> None:
    class Drifting(MemoryData):
        def client_data(self, client: int, round: int) -> tuple[Tensor, Tensor]:
            inputs, targets = super().client_data(client, round)
            return inputs[: len(inputs) - round], targets[: len(targets) - round]

    sim, first = simulation(Recorder(Options()), LATE)
    sim = replace(sim, data=Drifting(DATA.clients), late_data="today")
    last = [state for state, _ in rounds(sim, first, 5)][-1]
    assert [u.samples for u in last.method_state["seen"] if u.client == 2] == [11, 10, 9, 8, 7]


# --- the oracle -----------------------------------------------------------------------------------------------------


def test_unweighted_estimates_nothing_so_both_errors_are_equal() -> None:
    _, outcomes = simulated(6, delays=LATE, oracle=True)
    assert [o.stale_error for o in outcomes[:3]] == [None] * 3
    for o in outcomes[3:]:
        assert o.stale_error is not None
        assert o.stale_error.l1 > 0.01
        assert o.estimate_error == o.stale_error


def test_the_truth_is_the_update_of_the_same_client_on_time() -> None:
    class Cheat(Compensator):
        """Knows the client's data, as no method can."""

        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            truth = trained(view.weights, update.client, view.round, parts)
            return Compensated(truth, float(update.samples), state)

    parts = dropout_model()
    _, outcomes = simulated(5, Cheat(Options()), LATE, parts, oracle=True)
    for o in outcomes[3:]:
        assert o.estimate_error is not None
        assert o.stale_error is not None
        assert o.estimate_error.l1 == 0
        assert o.estimate_error.cosine == pytest.approx(0, abs=1e-9)
        assert o.stale_error.l1 > 0.01


@pytest.mark.parametrize("parts", [tiny_mlp(), batch_norm_model(), dropout_model()], ids=["mlp", "norm", "dropout"])
def test_the_oracle_changes_no_result(parts: Parts) -> None:
    with_oracle, outcomes = simulated(6, delays=LATE, parts=parts, oracle=True)
    without, plain = simulated(6, delays=LATE, parts=parts)
    assert all(torch.equal(a.weights, b.weights) for a, b in zip(with_oracle, without, strict=True))
    assert outcomes[-1].stale_error is not None
    assert [(o.estimate_error, o.stale_error) for o in plain] == [(None, None)] * 6


def test_what_a_method_sees() -> None:
    class Watcher(Compensator):
        def init(self, view: ServerView) -> State:
            return {"views": [(view.round, "init", view.staleness_rounds)]}

        def dispatch(self, client: int, view: ServerView, state: State) -> Tensor:
            dispatches.append((view.round, client, view.staleness_rounds))
            return view.weights

        def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
            return weights, {"views": [*state["views"], (view.round, "refine", view.staleness_rounds)]}

    dispatches: list[Sequence[int]] = []
    states, _ = simulated(2, Watcher(Options()), LATE)
    assert states[-1].method_state["views"] == [(0, "init", 0), (1, "refine", 0), (2, "refine", 0)]
    assert sorted(dispatches) == [(t, c, s) for t in (1, 2) for c, s in [(0, 0), (1, 0), (2, 0), (2, 3)]]


def test_every_step_sees_how_many_clients_there_are() -> None:
    class Watcher(Compensator):
        def init(self, view: ServerView) -> State:
            return {"clients": [view.clients]}

        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            return Compensated(update.delta, 1.0, {"clients": [*state["clients"], view.clients]})

    states, _ = simulated(1, Watcher(Options()), clients=7)
    assert states[-1].method_state["clients"] == [7] * 4


def test_awaited_is_what_clients_still_work_on_after_the_rounds_arrivals() -> None:
    class Watcher(Compensator):
        def dispatch(self, client: int, view: ServerView, state: State) -> Tensor:
            assert view.awaited == frozenset()
            return view.weights

        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            seen = {**state.get("compensate", {}), view.round: sorted(view.awaited)}
            return Compensated(update.delta, 1.0, {**state, "compensate": seen})

        def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
            return weights, {**state, "refine": {**state.get("refine", {}), view.round: sorted(view.awaited)}}

    states, _ = simulated(5, Watcher(Options()), LATE)
    assert states[-1].method_state["compensate"] == {
        1: [(2, 1)],
        2: [(2, 1), (2, 2)],
        3: [(2, 1), (2, 2), (2, 3)],
        4: [(2, 2), (2, 3), (2, 4)],
        5: [(2, 3), (2, 4), (2, 5)],
    }
    assert states[-1].method_state["refine"] == states[-1].method_state["compensate"]


def test_late_updates_tell_what_became_of_them() -> None:
    class Talkative(Compensator):
        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            return Compensated(update.delta, 0.5, state, update.staleness_rounds, {"round": float(view.round)})

    _, outcomes = simulated(5, Talkative(Options()), LATE)
    assert [o.late_updates for o in outcomes] == [
        (),
        (),
        (),
        (LateUpdate(2, 3, 0.5, 3, {"round": 4.0}),),
        (LateUpdate(2, 3, 0.5, 3, {"round": 5.0}),),
    ]


def test_late_updates_have_errors_of_their_own_with_the_oracle() -> None:
    """Clients 1 and 2 are late; what is recorded of the round is the mean over both."""
    _, outcomes = simulated(4, Inversion(QUICK), {1: 3, 2: 3}, oracle=True)
    one, other = outcomes[-1].late_updates
    assert (one.client, other.client) == (1, 2)
    for name in ("estimate_error", "stale_error"):
        errors, mean = [getattr(late, name) for late in (one, other)], getattr(outcomes[-1], name)
        assert errors[0] != errors[1]
        assert mean.l1 == pytest.approx((errors[0].l1 + errors[1].l1) / 2)
        assert mean.cosine == pytest.approx((errors[0].cosine + errors[1].cosine) / 2)


def test_a_rejected_late_update_is_not_among_them() -> None:
    class Broken(Compensator):
        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            return Compensated(update.delta * (float("nan") if update.client == 2 else 1), 1.0, state)

    _, outcomes = simulated(4, Broken(Options()), {1: 3, 2: 3}, oracle=True, shadows={"plain": Unweighted(Options())})
    assert [late.client for late in outcomes[-1].late_updates] == [1]
    assert (outcomes[-1].rejected, outcomes[-1].staleness_rounds) == ((2,), (3, 3))
    assert outcomes[-1].shadows["plain"].estimate_error != outcomes[-1].estimate_error


# --- shadows --------------------------------------------------------------------------------------------------------

QUICK = InversionOptions(size=3, iterations=3, warm_iterations=2)


class Drawing(Unweighted):
    """Draws in every step, and changes the model by it."""

    def init(self, view: ServerView) -> State:
        return {"drawn": [self.draw(view)]}

    def aggregate(self, contributions: Any, view: ServerView, state: State) -> tuple[Tensor, State]:
        weights, state = super().aggregate(contributions, view, state)
        drawn = self.draw(view)
        return weights + drawn, {"drawn": [*state["drawn"], drawn]}

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        drawn = self.draw(view)
        return Compensated(update.delta + drawn, float(update.samples), {"drawn": [*state["drawn"], drawn]})

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        drawn = self.draw(view)
        return weights + drawn, {"drawn": [*state["drawn"], drawn]}

    @staticmethod
    def draw(view: ServerView) -> float:
        return 0.01 * float(torch.rand((), generator=view.generator))


def shadows() -> dict[str, Compensator]:
    return {"inverted": Inversion(QUICK), "drawing": Drawing(Options()), "as it is": Unweighted(Options())}


def test_shadows_change_nothing() -> None:
    parts = batch_norm_model()
    for method in (Drawing(Options()), Inversion(QUICK), WPred(WPredOptions())):
        cast, with_shadows = simulated(6, method, LATE, parts, oracle=True, shadows=shadows())
        alone, without = simulated(6, method, LATE, parts, oracle=True)
        for one, other in zip(cast, alone, strict=True):
            assert torch.equal(one.weights, other.weights)
            assert all(torch.equal(one.buffers[name], b) for name, b in other.buffers.items())
        assert [o.late_updates for o in with_shadows] == [o.late_updates for o in without]
        assert [o.inversion_iterations for o in with_shadows] == [o.inversion_iterations for o in without]
        assert [o.shadows for o in without] == [{}] * 6


def test_a_shadow_does_what_the_method_would() -> None:
    """The same method as its own shadow estimates the same, and draws the same, beside others or alone."""
    for name, method in shadows().items():
        states, outcomes = simulated(6, method, LATE, oracle=True, shadows=shadows())
        assert [o.shadows[name].estimate_error for o in outcomes] == [o.estimate_error for o in outcomes]
        assert [o.shadows[name].iterations for o in outcomes] == [o.inversion_iterations for o in outcomes]
        assert outcomes[-1].estimate_error is not None
    states, _ = simulated(6, Drawing(Options()), LATE, oracle=True, shadows=shadows())
    assert states[-1].shadow_states["drawing"] == states[-1].method_state


def test_shadows_are_measured_where_late_updates_arrive() -> None:
    _, outcomes = simulated(4, Unweighted(Options()), LATE, oracle=True, shadows=shadows())
    assert [sorted(o.shadows) for o in outcomes] == [["as it is", "drawing", "inverted"]] * 4
    assert [o.shadows["inverted"].estimate_error for o in outcomes[:3]] == [None] * 3
    last = outcomes[-1].shadows
    assert last["as it is"].estimate_error == outcomes[-1].stale_error == outcomes[-1].estimate_error
    assert last["inverted"].estimate_error not in (None, outcomes[-1].stale_error)
    assert [last[name].iterations for name in ("inverted", "as it is")] == [3, 0]
    assert last["inverted"].seconds > 0


def test_shadows_go_on_from_a_checkpoint(tmp_path: Any) -> None:
    sim, state = simulation(Unweighted(Options()), LATE, oracle=True, shadows=shadows())
    whole = list(rounds(sim, state, 8))
    save_tree(tmp_path / "tree", whole[4][0].to_tree())
    rest = list(rounds(sim, SimulationState.from_tree(load_tree(tmp_path / "tree")), 8))
    for (_, again), (_, before) in zip(rest, whole[5:], strict=True):
        for name in sim.shadows:
            assert again.shadows[name].estimate_error == before.shadows[name].estimate_error
        assert again.shadows["inverted"].iterations == 2
