from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.builtins.compensators.inversion import Inversion, InversionOptions
from stalefl.contracts import ClientUpdate, Compensated, ServerView, State
from stalefl.inversion.job_memory import job_key
from stalefl.inversion.switching import ENOUGH_ARRIVALS, Switch
from stalefl.registry import load_registry
from stalefl.seeds import named_generator
from stalefl.server.round import ServerRound, server_round
from stalefl.storage import load_tree, save_tree
from stalefl.training.local_update import local_update
from tests.fixtures import TRAINING, samples, tiny_mlp, update, view

MODEL, BASE, BUFFERS = tiny_mlp()
QUICK = {"size": 8, "iterations": 30, "warm_iterations": 5, "tolerance": 0.0}


def trained(weights: Tensor, seed: int, rounds: int = 1) -> Tensor:
    """Weights after some rounds of local training on other clients' data."""
    for _ in range(rounds):
        weights = weights + local_update(MODEL, weights, BUFFERS, *samples(40, seed), TRAINING).delta
    return weights


NOW = trained(BASE, seed=9, rounds=12)
OWN = samples(12, seed=1)[0], torch.full((12,), 2)
STALE = local_update(MODEL, BASE, BUFFERS, *OWN, TRAINING).delta
FRESH = local_update(MODEL, NOW, BUFFERS, *OWN, TRAINING).delta
ROUND, STALENESS = 100, 12


def late(delta: Tensor = STALE, client: int = 3, arrived_round: int = ROUND) -> ClientUpdate:
    return update(
        delta,
        client=client,
        samples=12,
        staleness_rounds=STALENESS,
        arrived_round=arrived_round,
        base_weights=BASE,
    )


def on_time(delta: Tensor, client: int, round: int = ROUND) -> ClientUpdate:
    return update(delta, client=client, samples=12, arrived_round=round, base_weights=NOW)


def now(round: int = ROUND, awaited: Sequence[tuple[int, int]] = (), seed: int = 0) -> ServerView:
    return view(NOW, model=MODEL, round=round, awaited=awaited, seed=seed)


def method(**options: Any) -> Inversion:
    return Inversion(InversionOptions(**{**QUICK, **options}))


def compensated(
    client_update: ClientUpdate | None = None,
    state: State | None = None,
    seen: ServerView | None = None,
    **options: Any,
) -> Compensated:
    state = method().init(now()) if state is None else state
    return method(**options).compensate(client_update or late(), seen or now(), state)


def nothing_learned() -> State:
    return method().init(now())


# --- together -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inversion", "anchored-inversion"])
def test_together_or_one_by_one_the_estimates_are_the_same(name: str) -> None:
    """To about 1 %, which is what another order of summation can do over 30 iterations."""
    updates = [late(client=3), late(1.2 * STALE, client=4), late(torch.zeros_like(STALE), client=5)]

    def round_of(batch: str, state: State | None = None) -> ServerRound:
        inverting = load_registry().create("method", name, {**QUICK, "batch": batch})
        known = inverting.init(now()) if state is None else state
        return server_round(
            inverting, now(), updates, known, lambda update: named_generator(0, "compensate", update.client)
        )

    alone, together = round_of("never"), round_of("always")
    for _ in range(2):  # cold, then from the last D_rec
        assert [c.iterations for c in together.contributions] == [c.iterations for c in alone.contributions]
        for one, other in zip(alone.contributions, together.contributions, strict=True):
            torch.testing.assert_close(other.delta, one.delta, rtol=0, atol=0.01 * float(FRESH.abs().max()))
        assert not together.state["prepared"]
        alone, together = round_of("never", alone.state), round_of("always", together.state)


def test_only_clients_to_be_inverted_are_prepared() -> None:
    inverting, switched = method(batch="always"), Switch(switched_round=1)
    arrivals = [(late(client=3), now()), (on_time(FRESH, client=4), now())]
    assert list(inverting.prepare(arrivals, nothing_learned())["prepared"]) == ["client 3 round 88"]
    assert not inverting.prepare(arrivals, {**nothing_learned(), "switch": switched.to_tree()})["prepared"]
    several = method(batch="always", fit_updates=2)
    assert not several.prepare(arrivals, nothing_learned())["prepared"]


# --- the estimate ---------------------------------------------------------------------------------------------------


def test_the_estimate_is_far_closer_to_the_fresh_update_than_the_stale_one_is() -> None:
    result = compensated()
    error, stale_error = ((delta - FRESH).norm() for delta in (result.delta, STALE))
    assert error < 0.6 * stale_error
    assert (result.weight, result.iterations) == (12.0, 30)
    assert set(result.facts) == {"fit_loss"}
    assert 0 < result.facts["fit_loss"] < 0.1


@pytest.mark.parametrize(
    "options",
    [
        {"sparsify": 0.8},
        {"labels": "hard"},
        {"labels": "free"},
        {"disparity": "l1"},
        {"disparity": "cosine"},
        {"replay_steps": 2},
        {"fit_updates": 3},
    ],
    ids=str,
)
def test_so_it_is_with_other_options(options: dict[str, Any]) -> None:
    result = compensated(**options)
    assert (result.delta - FRESH).norm() < 0.75 * (STALE - FRESH).norm()


def test_it_stops_early_once_the_loss_has_flattened() -> None:
    result = compensated(iterations=400, tolerance=0.05)
    assert 20 <= result.iterations < 400
    assert (result.delta - FRESH).norm() < 0.6 * (STALE - FRESH).norm()


def test_an_update_without_staleness_stays_as_it_is() -> None:
    fresh = on_time(FRESH, client=3)
    result = compensated(fresh)
    assert result.delta is fresh.delta
    assert (result.weight, result.iterations, result.state) == (12.0, 0, nothing_learned())


def test_an_update_of_zero_stays_zero() -> None:
    result = compensated(late(torch.zeros_like(STALE)))
    assert not result.delta.any()
    assert (result.weight, result.iterations, result.state) == (12.0, 0, nothing_learned())


def test_the_second_time_fewer_iterations_start_from_the_clients_last_data() -> None:
    first = compensated(learning_rate=0.1)
    second = compensated(state=first.state, learning_rate=0.1)
    assert second.iterations == 5
    assert second.facts["fit_loss"] < first.facts["fit_loss"]
    assert (second.delta - FRESH).norm() < 0.6 * (STALE - FRESH).norm()


def test_another_client_starts_cold_and_both_are_kept() -> None:
    first = compensated()
    second = compensated(late(client=4), first.state)
    assert second.iterations == 30
    assert sorted(second.state["recovered"]) == [3, 4]
    assert list(first.state["recovered"]) == [3]


def test_without_warm_start_every_time_is_the_first() -> None:
    first = compensated(warm_start=False)
    second = compensated(state=first.state, warm_start=False)
    assert second.iterations == 30
    assert torch.equal(second.delta, first.delta)


def test_the_clients_last_updates_are_remembered_where_they_are_explained_too() -> None:
    state = nothing_learned()
    for scale in (1.0, 1.1, 1.2, 1.3):
        state = compensated(late(scale * STALE), state, fit_updates=3).state
    kept = [delta.norm() / STALE.norm() for _, delta in state["recovered"][3]["updates"]]
    assert [round(float(scale), 3) for scale in kept] == [1.3, 1.2, 1.1]


def test_the_views_generator_decides_and_nothing_else() -> None:
    torch.manual_seed(1)
    first = compensated(fit_updates=2)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = compensated(fit_updates=2)
    assert torch.equal(again.delta, first.delta)
    second = [compensated(late(1.1 * STALE), r.state, fit_updates=2).delta for r in (first, again)]
    assert torch.equal(second[0], second[1])
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(compensated(seen=now(seed=1)).delta, compensated().delta)


def test_arguments_stay_as_they_are() -> None:
    seen = now(awaited=[(3, ROUND)])
    client_update, state = late(), compensated(seen=seen, fit_updates=2).state
    given = client_update.delta, BASE, NOW
    before, state_before = copy.deepcopy(given), copy.deepcopy(state)
    compensated(client_update, state, seen, fit_updates=2, uniqueness="nearest")
    compensated(on_time(FRESH, client=1), state, seen, fit_updates=2, uniqueness="nearest")
    method().refine(NOW, now(), state)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
    assert_same(state, state_before)


def assert_same(one: Any, other: Any) -> None:
    """Equal trees, tensors bit for bit."""
    if isinstance(one, Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def test_recovered_inputs_are_within_the_value_range() -> None:
    inputs = compensated().state["recovered"][3]["inputs"]
    assert inputs.shape == (8, 4)
    assert inputs.abs().max() <= 1


# --- switching back -------------------------------------------------------------------------------------------------


def test_an_estimate_is_kept_until_the_update_it_stands_for_has_arrived() -> None:
    waiting = [(3, ROUND), (3, ROUND - 1)]
    kept = compensated(seen=now(awaited=waiting))
    estimate, stale = kept.state["estimates"][job_key(3, ROUND)]
    assert torch.equal(estimate, kept.delta)
    assert torch.equal(stale, STALE)
    _, later = method().refine(NOW, now(awaited=waiting), kept.state)
    assert list(later["estimates"]) == [job_key(3, ROUND)]
    weights, arrived = method().refine(NOW, now(awaited=[(3, ROUND + 1)]), later)
    assert (weights is NOW, arrived["estimates"]) == (True, {})


@pytest.mark.parametrize(
    ("awaited", "options"), [([(4, ROUND), (3, ROUND - 1)], {}), ([(3, ROUND)], {"switch_back": False})]
)
def test_an_estimate_that_nothing_will_be_held_against_is_not_kept(
    awaited: list[tuple[int, int]], options: dict[str, Any]
) -> None:
    assert compensated(seen=now(awaited=awaited), **options).state["estimates"] == {}


def test_errors_are_learned_when_the_true_update_arrives_and_only_then() -> None:
    kept = compensated(seen=now(awaited=[(3, ROUND)]))
    others = [late(client=4, arrived_round=ROUND + STALENESS), late(arrived_round=ROUND + STALENESS - 1)]
    for other in others:
        assert compensated(other, kept.state, now(ROUND + 1)).state["switch"]["arrivals"] == 0
    found = compensated(late(FRESH, arrived_round=ROUND + STALENESS), kept.state, now(ROUND + STALENESS))
    e1, e2 = (float((delta - FRESH).norm() / FRESH.norm()) for delta in (kept.delta, STALE))
    assert found.state["switch"] == {
        "e1": pytest.approx(e1, rel=1e-5),
        "e2": pytest.approx(e2, rel=1e-5),
        "arrivals": 1,
        "switched_round": 0,
    }
    assert e1 < e2
    assert found.facts == {
        "e1": pytest.approx(e1, rel=1e-5),
        "e2": pytest.approx(e2, rel=1e-5),
        "gamma": 1.0,
        "fit_loss": found.facts["fit_loss"],
    }


def switched(round: int) -> State:
    """Estimates have proved worse than late updates, last in this round."""
    switch = {"e1": 0.5, "e2": 0.1, "arrivals": ENOUGH_ARRIVALS, "switched_round": round}
    return {**nothing_learned(), "switch": switch}


def test_after_the_switch_late_updates_stay_as_they_are() -> None:
    result = compensated(state=switched(80), seen=now(awaited=[(3, ROUND)]))
    assert torch.equal(result.delta, STALE)
    assert (result.weight, result.iterations) == (12.0, 0)
    assert result.facts == {"e1": 0.5, "e2": 0.1, "gamma": 0.0}
    assert (result.state["recovered"], result.state["estimates"]) == ({}, {})


def test_while_the_estimate_fades_out_both_are_mixed() -> None:
    """Switched in round 80: with a window of half of that the weight is 1 - 20 / 40 in round 100."""
    whole = compensated().delta
    result = compensated(state=switched(80), switch_window=0.5)
    assert result.facts["gamma"] == 0.5
    assert result.iterations == 30
    torch.testing.assert_close(result.delta, 0.5 * whole + 0.5 * STALE)


def test_what_is_kept_while_it_fades_out_is_the_estimate_not_the_mixture() -> None:
    result = compensated(state=switched(80), seen=now(awaited=[(3, ROUND)]), switch_window=0.5)
    estimate, _ = result.state["estimates"][job_key(3, ROUND)]
    assert torch.equal(estimate, compensated().delta)


@pytest.mark.parametrize(("chosen", "gamma"), [(101, 1.0), (100, 1.0), (80, 0.5), (50, 0.0)])
@pytest.mark.parametrize("found", [0, 60])
def test_a_chosen_round_is_switched_in_whatever_the_errors_say(chosen: int, gamma: float, found: int) -> None:
    """As seen in round 100, with a window of half of the rounds before it."""
    result = compensated(state=switched(found), switch_round=chosen, switch_window=0.5)
    assert result.facts["gamma"] == gamma
    torch.testing.assert_close(result.delta, gamma * compensated().delta + (1 - gamma) * STALE)


def test_estimates_that_prove_worse_make_the_switch() -> None:
    """Nothing has moved between dispatch and arrival: each late update is what is sought, no estimate can be better."""
    seen, state = now(awaited=[(client, ROUND) for client in range(ENOUGH_ARRIVALS)]), nothing_learned()
    for client in range(ENOUGH_ARRIVALS):
        state = compensated(late(client=client), state, seen, iterations=2).state
    later = ROUND + STALENESS
    gammas = []
    for client in range(ENOUGH_ARRIVALS):
        result = compensated(late(client=client, arrived_round=later), state, now(later), switch_window=0.0)
        state = result.state
        gammas.append(result.facts["gamma"])
    assert gammas == [1.0] * (ENOUGH_ARRIVALS - 1) + [0.0]
    assert state["switch"]["switched_round"] == later
    assert torch.equal(result.delta, STALE)


# --- uniqueness -----------------------------------------------------------------------------------------------------


OTHERS = [local_update(MODEL, BASE, BUFFERS, *samples(40, seed), TRAINING).delta for seed in (9, 10, 11)]
SENT = ROUND - STALENESS


def after_the_dispatch_round(deltas: Sequence[Tensor] = OTHERS, first_client: int = 10) -> State:
    """The state after a round in which client 3 began its late update and these others were on time."""
    seen, state = now(SENT, awaited=[(3, SENT)]), nothing_learned()
    for client, delta in enumerate(deltas, start=first_client):
        state = compensated(on_time(delta, client, SENT), state, seen, uniqueness="nearest").state
    return method().refine(NOW, seen, state)[1]


def test_the_updates_on_time_are_kept_while_late_ones_of_their_round_are_to_come() -> None:
    state = after_the_dispatch_round()
    assert list(state["on_time"]) == [SENT]
    for delta, (client, kept) in zip(OTHERS, state["on_time"][SENT].items(), strict=True):
        assert client >= 10
        assert torch.equal(kept, delta)
    _, forgotten = method().refine(NOW, now(awaited=[(3, SENT + 1)]), state)
    assert forgotten["on_time"] == {}


@pytest.mark.parametrize(
    ("awaited", "options"), [([(3, SENT - 1)], {"uniqueness": "mean"}), ([(3, SENT)], {"uniqueness": "off"})]
)
def test_updates_on_time_that_nothing_will_be_compared_with_are_not_kept(
    awaited: list[tuple[int, int]], options: dict[str, Any]
) -> None:
    result = compensated(on_time(OTHERS[0], 10, SENT), seen=now(SENT, awaited=awaited), **options)
    assert result.state == nothing_learned()


@pytest.mark.parametrize("rule", ["nearest", "mean"])
def test_data_that_nobody_on_time_has_are_inverted(rule: str) -> None:
    result = compensated(state=after_the_dispatch_round(), uniqueness=rule)
    assert result.facts["unique"] is True
    assert result.facts["distance"] > result.facts["threshold"] > 0
    assert result.iterations == 30


def test_data_that_somebody_on_time_has_too_are_not() -> None:
    stale = 2 * OTHERS[1]
    result = compensated(late(stale), after_the_dispatch_round(), uniqueness="nearest")
    assert torch.equal(result.delta, stale)
    assert (result.facts["unique"], result.iterations) == (False, 0)
    assert result.facts["distance"] == pytest.approx(0, abs=1e-6)


def test_only_updates_on_time_in_the_round_of_the_dispatch_count() -> None:
    state = after_the_dispatch_round([STALE])
    assert not compensated(state=state, uniqueness="nearest").facts["unique"]
    another_round = late(arrived_round=ROUND + 1)
    result = compensated(another_round, state, now(ROUND + 1), uniqueness="nearest")
    assert (result.facts["unique"], result.facts["distance"], result.facts["threshold"]) == (True, 1.0, 0.0)


def test_clients_that_the_server_waits_for_are_not_on_time_although_they_once_were() -> None:
    state = after_the_dispatch_round([*OTHERS, STALE])
    assert not compensated(state=state, uniqueness="nearest").facts["unique"]
    waiting_for_13 = now(awaited=[(13, ROUND)])
    alone = compensated(state=after_the_dispatch_round(), uniqueness="nearest").facts
    assert compensated(state=state, seen=waiting_for_13, uniqueness="nearest").facts == alone


def test_a_client_is_not_compared_with_its_own_update_on_time() -> None:
    """In the first rounds a late client also delivers on time (staleness.early_rounds)."""
    state = after_the_dispatch_round([STALE, *OTHERS], first_client=3)
    alone = compensated(state=after_the_dispatch_round(), uniqueness="nearest").facts
    assert compensated(state=state, uniqueness="nearest").facts == alone


# --- the state ------------------------------------------------------------------------------------------------------


def test_the_state_goes_through_a_checkpoint(tmp_path) -> None:
    seen = now(awaited=[(3, ROUND)])
    state = compensated(state=after_the_dispatch_round(), seen=seen, uniqueness="nearest", fit_updates=2).state
    assert all(state[part] for part in ("recovered", "on_time", "estimates", "switch"))
    save_tree(tmp_path / "tree", state)
    back = load_tree(tmp_path / "tree")
    assert_same(back, state)
    results = [compensated(state=s, uniqueness="nearest", fit_updates=2) for s in (back, state)]
    assert torch.equal(results[0].delta, results[1].delta)


@pytest.mark.parametrize(
    "options",
    [
        {"uniqueness": "on"},
        {"switch_window": 1.5},
        {"switch_back": 1},
        {"switch_round": 9, "switch_back": False},
        {"size": 0},
    ],
)
def test_options_that_make_no_sense_are_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        InversionOptions(**options)
