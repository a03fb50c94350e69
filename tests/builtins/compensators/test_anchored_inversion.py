from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.builtins.compensators.anchored_inversion import (
    POOLED,
    AnchoredInversion,
    AnchoredInversionOptions,
)
from stalefl.builtins.compensators.inversion import Inversion, InversionOptions
from stalefl.contracts import ClientUpdate, Compensated, ServerView, State
from stalefl.inversion.job_memory import job_key
from stalefl.inversion.shrinkage import Evidence
from stalefl.storage import load_tree, save_tree
from stalefl.training.local_update import local_update
from tests.fixtures import TRAINING, samples, tiny_mlp, update, view

MODEL, BASE, BUFFERS = tiny_mlp()
QUICK = {"size": 8, "iterations": 30, "warm_iterations": 5, "tolerance": 0.0}
WHOLE = {**QUICK, "fade_residual": False, "learn_alpha": True}
"""The whole residual kept, and both coefficients learned."""


def trained(weights: Tensor, seed: int, rounds: int = 1) -> Tensor:
    """Weights after some rounds of local training on other clients' data."""
    for _ in range(rounds):
        weights = weights + local_update(MODEL, weights, BUFFERS, *samples(40, seed), TRAINING).delta
    return weights


NOW = trained(BASE, seed=9, rounds=12)
LATER_ON = trained(NOW, seed=9, rounds=12)
OWN = samples(12, seed=1)[0], torch.full((12,), 2)
STALE = local_update(MODEL, BASE, BUFFERS, *OWN, TRAINING).delta
FRESH = local_update(MODEL, NOW, BUFFERS, *OWN, TRAINING).delta
ROUND, STALENESS = 100, 12
LATER = ROUND + STALENESS


def late(delta: Tensor = STALE, client: int = 3, arrived_round: int = ROUND, base: Tensor = BASE) -> ClientUpdate:
    return update(
        delta,
        client=client,
        samples=12,
        staleness_rounds=STALENESS,
        arrived_round=arrived_round,
        base_weights=base,
    )


def now(round: int = ROUND, awaited: Sequence[tuple[int, int]] = (), seed: int = 0) -> ServerView:
    return view(NOW, model=MODEL, round=round, awaited=awaited, seed=seed)


def later(awaited: Sequence[tuple[int, int]] = (), passed: int = 0) -> ServerView:
    """When the update arrives that a client began in ROUND, or some rounds after that."""
    return view(LATER_ON, model=MODEL, round=LATER + passed, awaited=awaited)


def method(**options: Any) -> AnchoredInversion:
    return AnchoredInversion(AnchoredInversionOptions(**{**WHOLE, **options}))


def compensated(
    client_update: ClientUpdate | None = None,
    state: State | None = None,
    seen: ServerView | None = None,
    **options: Any,
) -> Compensated:
    state = method().init(now()) if state is None else state
    return method(**options).compensate(client_update or late(), seen or now(), state)


WAITING = now(awaited=[(3, ROUND)])


def learned(truth: Tensor = FRESH, **options: Any) -> tuple[Compensated, Compensated]:
    """An estimate of client 3, and the one it gets when the update has arrived that the first stood for."""
    kept = compensated(seen=WAITING, **options)
    return kept, compensated(late(truth, arrived_round=LATER, base=NOW), kept.state, later(), **options)


# --- the estimate ---------------------------------------------------------------------------------------------------


def test_it_is_the_stale_update_plus_the_change_that_the_recovered_data_predict() -> None:
    result = compensated()
    kept = result.state["recovered"][3]
    labels = kept["label_logits"].softmax(dim=1)
    today, then = (
        local_update(MODEL, weights, BUFFERS, kept["inputs"], labels, TRAINING).delta for weights in (NOW, BASE)
    )
    torch.testing.assert_close(result.delta, STALE + today - then)
    assert (result.weight, result.iterations) == (12.0, 30)
    assert set(result.facts) == {"alpha", "beta", "persisting", "fit_loss"}
    assert (result.facts["alpha"], result.facts["beta"]) == (1.0, 1.0)


def test_it_is_far_closer_to_the_fresh_update_than_the_stale_one_is() -> None:
    assert (compensated().delta - FRESH).norm() < 0.6 * (STALE - FRESH).norm()


def test_after_a_poor_recovery_it_is_closer_than_plain_inversion() -> None:
    """What the data fail to explain of the stale update is kept, not lost."""
    poor = {**QUICK, "iterations": 3}
    plain = Inversion(InversionOptions(**poor))
    inverted = plain.compensate(late(), now(), plain.init(now())).delta
    assert (compensated(**poor).delta - FRESH).norm() < 0.8 * (inverted - FRESH).norm()


@pytest.mark.parametrize(
    "options", [{"sparsify": 0.8}, {"labels": "hard"}, {"disparity": "l1"}, {"replay_steps": 2}], ids=str
)
def test_options_of_the_recovery_are_its_own_too(options: dict[str, Any]) -> None:
    result = compensated(**options)
    assert (result.delta - FRESH).norm() < 0.75 * (STALE - FRESH).norm()
    assert not torch.equal(result.delta, compensated().delta)


def test_where_nothing_has_moved_the_stale_update_stays() -> None:
    result = compensated(late(FRESH, base=NOW), seen=WAITING)
    assert torch.equal(result.delta, FRESH)
    after = compensated(late(FRESH, arrived_round=LATER, base=NOW), result.state, now(LATER))
    torch.testing.assert_close(after.delta, FRESH)


def test_updates_on_time_and_of_zero_stay_as_they_are() -> None:
    fresh = update(FRESH, client=3, samples=12, arrived_round=ROUND, base_weights=NOW)
    for client_update in (fresh, late(torch.zeros_like(STALE))):
        result = compensated(client_update)
        assert result.delta is client_update.delta
        assert (result.weight, result.iterations, result.facts) == (12.0, 0, {})
        assert result.state == method().init(now())


def test_the_second_time_starts_from_the_clients_last_data() -> None:
    first = compensated()
    assert compensated(state=first.state).iterations == 5
    assert compensated(late(client=4), first.state).iterations == 30


def test_the_views_generator_decides_and_nothing_else() -> None:
    torch.manual_seed(1)
    first, before = compensated(), torch.get_rng_state()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(compensated().delta, first.delta)
    assert not torch.equal(compensated(seen=now(seed=1)).delta, first.delta)


def test_of_the_residual_as_much_is_kept_as_persists_of_what_is_explained() -> None:
    """From the later model to the earlier one, where updates are shorter."""
    back, update_then = view(BASE, model=MODEL, round=ROUND), late(FRESH, base=NOW)
    result = compensated(update_then, seen=back, iterations=3, fade_residual=True)
    kept = result.state["recovered"][3]
    labels = kept["label_logits"].softmax(dim=1)
    then, today = (
        local_update(MODEL, weights, BUFFERS, kept["inputs"], labels, TRAINING).delta for weights in (NOW, BASE)
    )
    share = float(today @ then / (then @ then))
    assert 0.05 < share < 0.95
    assert result.facts["persisting"] == pytest.approx(share, rel=1e-4)
    torch.testing.assert_close(result.delta, today + share * (FRESH - then))
    whole = compensated(update_then, seen=back, iterations=3)
    assert (whole.delta - result.delta).norm() > 0.05 * FRESH.norm()


def test_by_default_the_residual_fades_and_only_beta_is_learned() -> None:
    options = AnchoredInversionOptions()
    assert (options.fade_residual, options.learn, options.learn_alpha) == (True, True, False)


# --- alpha and beta -------------------------------------------------------------------------------------------------


def test_an_estimate_is_kept_until_the_update_it_stands_for_has_arrived() -> None:
    kept = compensated(seen=WAITING)
    stale, change = kept.state["estimates"][job_key(3, ROUND)]
    assert torch.equal(stale, STALE)
    torch.testing.assert_close(stale + change, kept.delta)
    assert list(method().refine(NOW, WAITING, kept.state)[1]["estimates"]) == [job_key(3, ROUND)]
    weights, after = method().refine(NOW, now(awaited=[(3, ROUND + 1), (4, ROUND)]), kept.state)
    assert (weights is NOW, after["estimates"]) == (True, {})
    assert compensated(seen=now(awaited=[(4, ROUND)])).state["estimates"] == {}


def test_without_evidence_both_are_1_whatever_else_arrives() -> None:
    kept = compensated(seen=WAITING)
    for other in (late(client=4, arrived_round=LATER), late(arrived_round=LATER - 1)):
        result = compensated(other, kept.state, later())
        assert (result.facts["alpha"], result.facts["beta"], result.state["evidence"]) == (1.0, 1.0, {})


def best_multiples(kept: Compensated, truth: Tensor) -> list[float]:
    stale, change = kept.state["estimates"][job_key(3, ROUND)]
    return torch.linalg.lstsq(torch.stack([stale, change], dim=1), truth).solution.tolist()


def test_with_evidence_they_are_those_of_least_squares_as_far_as_the_prior_lets_them() -> None:
    truth = 0.5 * FRESH + 0.2 * STALE
    errors = []
    for strength in (1e-5, 1.0, 1e5):
        kept, after = learned(truth, prior_strength=strength)
        found = torch.tensor([after.facts["alpha"], after.facts["beta"]])
        best = torch.tensor(best_multiples(kept, truth))
        errors.append((float((found - best).norm()), float((found - 1).norm())))
    (weak, _), (middle, moved), (_, strong) = errors
    assert weak < 0.01
    assert strong < 0.01
    assert middle > 0.05
    assert moved > 0.05


def test_the_estimate_is_made_of_these_multiples() -> None:
    _, after = learned(0.5 * FRESH, prior_strength=0.1)
    memory = after.state["recovered"][3]
    labels = memory["label_logits"].softmax(dim=1)
    today, then = (
        local_update(MODEL, weights, BUFFERS, memory["inputs"], labels, TRAINING).delta for weights in (LATER_ON, NOW)
    )
    alpha, beta = after.facts["alpha"], after.facts["beta"]
    torch.testing.assert_close(after.delta, alpha * 0.5 * FRESH + beta * (today - then))
    assert abs(alpha - 1) > 0.1
    assert (today - then).norm() > 0.1 * FRESH.norm()


def test_with_alpha_fixed_only_beta_is_learned() -> None:
    truth = 0.5 * FRESH + 0.2 * STALE
    kept, after = learned(truth, prior_strength=1e-5, learn_alpha=False)
    stale, change = kept.state["estimates"][job_key(3, ROUND)]
    assert after.facts["alpha"] == pytest.approx(1, abs=1e-5)
    assert after.facts["beta"] == pytest.approx(float(change @ (truth - stale) / (change @ change)), abs=0.01)
    assert after.facts["beta"] != pytest.approx(1, abs=0.05)


def test_without_learning_both_stay_1_and_nothing_is_kept() -> None:
    kept, after = learned(0.5 * FRESH, learn=False)
    assert (kept.state["estimates"], after.state["evidence"]) == ({}, {})
    assert (after.facts["alpha"], after.facts["beta"]) == (1.0, 1.0)


def test_a_client_is_shrunk_towards_all_clients_and_those_towards_1() -> None:
    _, after = learned(0.5 * FRESH, prior_strength=0.1)
    _, state = method().refine(LATER_ON, later(), after.state)
    assert sorted(state["evidence"]) == [POOLED, 3]
    for client in (3, 4):
        seen = later(awaited=[(client, LATER)])
        result = compensated(late(client=client, arrived_round=LATER), state, seen, prior_strength=0.1)
        stale, change = result.state["estimates"][job_key(client, LATER)]
        strength = 0.1 * torch.stack([torch.ones(()), change.square().sum() / stale.square().sum()])
        expected = Evidence(*state["evidence"][POOLED]).coefficients(torch.ones(2), strength)
        if client == 3:
            expected = Evidence(*state["evidence"][3]).coefficients(expected, strength)
        found = torch.tensor([result.facts["alpha"], result.facts["beta"]])
        torch.testing.assert_close(found, expected)
        assert (found - 1).abs().max() > 0.1


def test_evidence_is_forgotten_in_time() -> None:
    _, after = learned(0.5 * FRESH)
    _, state = method().refine(LATER_ON, later(), after.state)

    def coefficients(passed: int, **options: Any) -> list[float]:
        arrived = late(arrived_round=LATER + passed)
        facts = compensated(arrived, state, later(passed=passed), **options).facts
        return [facts["alpha"], facts["beta"]]

    assert abs(coefficients(0)[0] - 1) > 0.1
    assert coefficients(200) == pytest.approx([1.0, 1.0], abs=1e-5)
    assert coefficients(200, memory=1.0) == coefficients(0)


# --- the state ------------------------------------------------------------------------------------------------------


def test_the_state_goes_through_a_checkpoint(tmp_path) -> None:
    _, after = learned()
    state = compensated(late(client=4), after.state, now(awaited=[(4, ROUND)])).state
    assert all(state[part] for part in ("recovered", "estimates", "evidence"))
    save_tree(tmp_path / "tree", state)
    back = load_tree(tmp_path / "tree")
    one, other = (compensated(late(FRESH, 4, LATER, NOW), s, later(awaited=[(4, LATER)])) for s in (back, state))
    assert torch.equal(one.delta, other.delta)
    assert one.facts == other.facts


def test_arguments_stay_as_they_are(tmp_path) -> None:
    _, after = learned()
    client_update = late(FRESH, arrived_round=LATER, base=NOW)
    save_tree(tmp_path / "before", [after.state, client_update.delta, BASE, NOW])
    compensated(client_update, after.state, later(awaited=[(3, LATER)]))
    method().refine(NOW, now(), after.state)
    save_tree(tmp_path / "after", [after.state, client_update.delta, BASE, NOW])
    assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()


@pytest.mark.parametrize("options", [{"prior_strength": 0.0}, {"memory": 0.0}, {"memory": 1.1}, {"learn": 1}])
def test_options_that_make_no_sense_are_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        AnchoredInversionOptions(**options)
