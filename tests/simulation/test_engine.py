from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.builtins.compensators.inversion import Inversion, InversionOptions
from stalefl.builtins.compensators.unweighted import Unweighted
from stalefl.builtins.compensators.w_pred import WPred, WPredOptions
from stalefl.contracts import ClientUpdate, Compensated, Compensator, Options, ServerView, State
from stalefl.seeds import named_generator
from stalefl.simulation.engine import RoundFacts, Simulation, SimulationState, rounds, run_round, start
from stalefl.simulation.staleness import plan_jobs
from stalefl.storage import load_tree, save_tree
from stalefl.training.local_update import local_update
from tests.fixtures import SPEC, TRAINING, MemoryData, Parts, batch_norm_model, dropout_model, samples, tiny_mlp

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


def simulated(last_round: int, *args: Any, **known: Any) -> tuple[list[SimulationState], list[RoundFacts]]:
    states, facts = zip(*rounds(*simulation(*args, **known), last_round), strict=True)
    return list(states), list(facts)


def trained(weights: Tensor, client: int, round: int = 1, parts: Parts | None = None) -> Tensor:
    """The delta of a client, by hand."""
    model, _, buffers = parts or tiny_mlp()
    generator = named_generator(0, "local-training", round, client)
    return local_update(model, weights, buffers, *DATA.client_data(client, round), TRAINING, generator).delta


def test_without_delays_unweighted_is_fedavg() -> None:
    states, facts = simulated(3)
    weights = tiny_mlp()[1]
    for state in states:
        deltas = [trained(weights, client) for client in range(3)]
        weights = weights + (4 * deltas[0] + 8 * deltas[1] + 12 * deltas[2]) / 24
        assert torch.allclose(state.weights, weights, atol=1e-6)
    assert [f.participants for f in facts] == [(0, 1, 2)] * 3
    assert [f.staleness_rounds for f in facts] == [()] * 3


def test_a_late_update_is_trained_from_the_weights_of_its_dispatch() -> None:
    states, facts = simulated(6, Recorder(Options()), LATE)
    before = [tiny_mlp()[1], *(state.weights for state in states)]
    late = [u for u in states[-1].method_state["seen"] if u.client == 2]
    assert [(u.dispatched_round, u.arrived_round) for u in late] == [(1, 1), (2, 2), (3, 3), (1, 4), (2, 5), (3, 6)]
    for seen in late:
        base = before[seen.dispatched_round - 1]
        assert torch.equal(seen.base_weights, base)
        assert torch.equal(seen.delta, trained(base, 2))
    assert [f.staleness_rounds for f in facts] == [(), (), (), (3,), (3,), (3,)]


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
    assert [facts.round for _, facts in rest] == [6, 7, 8]
    assert torch.equal(rest[-1][0].weights, whole[-1][0].weights)
    assert all(torch.equal(rest[-1][0].buffers[name], b) for name, b in whole[-1][0].buffers.items())
    assert [f.estimate_error for _, f in rest] == [f.estimate_error for _, f in whole[5:]]


def test_broken_training_is_rejected_and_reported() -> None:
    inputs, targets = samples(4)
    sim, state = simulation()
    broken = MemoryData([DATA.clients[0], (inputs * float("nan"), targets), DATA.clients[2]])
    sim = Simulation(sim.model, sim.method, broken, SPEC, TRAINING, sim.jobs, 0)
    after, facts = run_round(sim, state)
    assert facts.rejected == (1,)
    assert facts.participants == (0, 1, 2)
    assert torch.isfinite(after.weights).all()
    assert not torch.equal(after.weights, state.weights)


def test_a_round_without_participants_changes_nothing() -> None:
    sim, state = simulation()
    sim = Simulation(sim.model, sim.method, DATA, SPEC, TRAINING, plan_jobs([[], [0]], {}), 0)
    after, facts = run_round(sim, state)
    assert torch.equal(after.weights, state.weights)
    assert (facts.round, facts.participants) == (1, ())


# --- the oracle -----------------------------------------------------------------------------------------------------


def test_unweighted_estimates_nothing_so_both_errors_are_equal() -> None:
    _, facts = simulated(6, delays=LATE, oracle=True)
    assert [f.stale_error for f in facts[:3]] == [None] * 3
    for f in facts[3:]:
        assert f.stale_error is not None
        assert f.stale_error.l1 > 0.01
        assert f.estimate_error == f.stale_error


def test_the_truth_is_the_update_of_the_same_client_on_time() -> None:
    class Cheat(Compensator):
        """Knows the client's data, as no method can."""

        def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
            truth = trained(view.weights, update.client, view.round, parts)
            return Compensated(truth, float(update.samples), state)

    parts = dropout_model()
    _, facts = simulated(5, Cheat(Options()), LATE, parts, oracle=True)
    for f in facts[3:]:
        assert f.estimate_error is not None
        assert f.stale_error is not None
        assert f.estimate_error.l1 == 0
        assert f.estimate_error.cosine == pytest.approx(0, abs=1e-9)
        assert f.stale_error.l1 > 0.01


@pytest.mark.parametrize("parts", [tiny_mlp(), batch_norm_model(), dropout_model()], ids=["mlp", "norm", "dropout"])
def test_the_oracle_changes_no_result(parts: Parts) -> None:
    with_oracle, facts = simulated(6, delays=LATE, parts=parts, oracle=True)
    without, plain = simulated(6, delays=LATE, parts=parts)
    assert all(torch.equal(a.weights, b.weights) for a, b in zip(with_oracle, without, strict=True))
    assert facts[-1].stale_error is not None
    assert [(f.estimate_error, f.stale_error) for f in plain] == [(None, None)] * 6


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
