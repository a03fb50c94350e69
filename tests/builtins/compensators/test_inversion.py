from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from stalefl.builtins.compensators.inversion import Inversion, InversionOptions
from stalefl.contracts import ClientUpdate, Compensated, ServerView, State
from stalefl.storage import load_tree, save_tree
from stalefl.training.local_update import local_update
from tests.fixtures import TRAINING, samples, tiny_mlp, update, view

MODEL, BASE, BUFFERS = tiny_mlp()
OPTIONS = InversionOptions(size=8, iterations=30, warm_iterations=5)


def trained(weights: Tensor, seed: int, rounds: int = 1) -> Tensor:
    """Weights after some rounds of local training on other clients' data."""
    for _ in range(rounds):
        weights = weights + local_update(MODEL, weights, BUFFERS, *samples(40, seed), TRAINING).delta
    return weights


NOW = trained(BASE, seed=9, rounds=12)
OWN = samples(12, seed=1)[0], torch.full((12,), 2)
STALE = local_update(MODEL, BASE, BUFFERS, *OWN, TRAINING).delta
FRESH = local_update(MODEL, NOW, BUFFERS, *OWN, TRAINING).delta


def late(delta: Tensor = STALE, client: int = 3, staleness_rounds: int = 12) -> ClientUpdate:
    return update(delta, client=client, samples=12, staleness_rounds=staleness_rounds, base_weights=BASE)


def now(seed: int = 0) -> ServerView:
    return view(NOW, model=MODEL, seed=seed)


def compensated(
    client_update: ClientUpdate | None = None, state: State | None = None, options: InversionOptions = OPTIONS
) -> Compensated:
    method = Inversion(options)
    return method.compensate(client_update or late(), now(), method.init(now()) if state is None else state)


def test_the_estimate_is_far_closer_to_the_fresh_update_than_the_stale_one_is() -> None:
    result = compensated()
    error, stale_error = ((delta - FRESH).norm() for delta in (result.delta, STALE))
    assert error < 0.6 * stale_error
    assert (result.weight, result.iterations) == (12.0, 30)


def test_an_update_without_staleness_stays_as_it_is() -> None:
    fresh = late(staleness_rounds=0)
    result = compensated(fresh)
    assert result.delta is fresh.delta
    assert (result.weight, result.iterations, result.state) == (12.0, 0, {"recovered": {}})


def test_an_update_of_zero_stays_zero() -> None:
    result = compensated(late(torch.zeros_like(STALE)))
    assert not result.delta.any()
    assert (result.weight, result.iterations, result.state) == (12.0, 0, {"recovered": {}})


def test_the_second_time_fewer_iterations_start_from_the_clients_last_data() -> None:
    first = compensated()
    second = compensated(state=first.state)
    assert second.iterations == 5
    assert (second.delta - FRESH).norm() < 0.6 * (STALE - FRESH).norm()


def test_another_client_starts_cold_and_both_are_kept() -> None:
    first = compensated()
    second = compensated(late(client=4), first.state)
    assert second.iterations == 30
    assert sorted(second.state["recovered"]) == [3, 4]
    assert list(first.state["recovered"]) == [3]


def test_without_warm_start_every_time_is_the_first() -> None:
    options = OPTIONS.model_copy(update={"warm_start": False})
    first = compensated(options=options)
    second = compensated(state=first.state, options=options)
    assert second.iterations == 30
    assert torch.equal(second.delta, first.delta)


def test_the_views_generator_decides_and_nothing_else() -> None:
    torch.manual_seed(1)
    first = compensated()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(compensated().delta, first.delta)
    assert torch.equal(torch.get_rng_state(), before)
    method = Inversion(OPTIONS)
    assert not torch.equal(method.compensate(late(), now(seed=1), method.init(now())).delta, first.delta)


def test_arguments_stay_as_they_are() -> None:
    client_update, state = late(), compensated().state
    given = [client_update.delta, BASE, NOW, *state["recovered"][3].values()]
    before = copy.deepcopy(given)
    compensated(client_update, state)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))


def test_the_state_goes_through_a_checkpoint(tmp_path) -> None:
    state = compensated().state
    save_tree(tmp_path / "tree", state)
    back = load_tree(tmp_path / "tree")
    assert torch.equal(compensated(state=back).delta, compensated(state=state).delta)


def test_recovered_inputs_are_within_the_value_range() -> None:
    inputs = compensated().state["recovered"][3]["inputs"]
    assert inputs.shape == (8, 4)
    assert inputs.abs().max() <= 1


@pytest.mark.parametrize("options", [{"size": 0}, {"iterations": 0}, {"warm_iterations": 0}, {"learning_rate": 0.0}])
def test_options_that_make_no_sense_are_errors(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        InversionOptions(**options)
