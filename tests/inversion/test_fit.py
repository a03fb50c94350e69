from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.inversion.d_rec import DRec, LabelKind, random_data
from stalefl.inversion.fit import Fit, FitSettings, Target, fit_data
from stalefl.inversion.objective import Objective
from stalefl.inversion.program import Program
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from tests.fixtures import SPEC, TRAINING, samples, tiny_mlp

MODEL, WEIGHTS, BUFFERS = tiny_mlp()
PROGRAM = Program.of_client(MODEL, TRAINING, BUFFERS, samples=12)


def real_update(weights: Tensor = WEIGHTS) -> Tensor:
    return local_update(MODEL, weights, BUFFERS, *samples(12), TRAINING).delta


MOVED = WEIGHTS + local_update(MODEL, WEIGHTS, BUFFERS, *samples(40, seed=9), TRAINING).delta
UPDATE, LATER = Target(WEIGHTS, real_update()), Target(MOVED, real_update(MOVED))
NOTHING = Target(WEIGHTS, torch.zeros_like(WEIGHTS))


def start(seed: int = 0, labels: LabelKind = "soft") -> DRec:
    return random_data(SPEC, 8, named_generator(seed, "inversion"), torch.device("cpu"), labels)


def fit(
    *targets: Target, data: DRec | None = None, seed: int = 0, on_iteration: Any = lambda _: None, **known: Any
) -> Fit:
    settings = FitSettings(**{"iterations": 40, "learning_rate": 0.1, **known})
    generator = named_generator(seed, "test-targets")
    return fit_data(PROGRAM, targets or (UPDATE,), SPEC, data or start(), settings, generator, on_iteration)


def explained(data: DRec, target: Target) -> float:
    """The share of the update's squared length that training on the data reproduces."""
    residual = PROGRAM.train_on(data, target.base_weights) - target.delta
    return 1 - float(residual.square().sum() / target.delta.square().sum())


def test_fitting_a_clients_update_explains_nine_tenths_of_it() -> None:
    found = fit()
    assert found.iterations == len(found.losses) == 40
    assert found.losses[-1] < 0.1 * found.losses[0]
    assert explained(found.data, UPDATE) > 0.9


@pytest.mark.parametrize("disparity", ["l2", "l1", "cosine"])
@pytest.mark.parametrize("labels", ["soft", "hard", "free"])
def test_every_disparity_is_lowered_with_every_kind_of_labels(disparity: str, labels: LabelKind) -> None:
    found = fit(disparity=disparity, data=start(labels=labels))
    assert found.data.label_kind == labels
    assert found.losses[-1] < 0.6 * found.losses[0]


@pytest.mark.parametrize("sparsify", [0.0, 0.8])
def test_a_loss_is_the_disparity_before_its_step(sparsify: float) -> None:
    first = fit(disparity="l1", sparsify=sparsify, iterations=1).losses[0]
    objective = Objective.of(UPDATE.delta, "l1", sparsify)
    assert first == pytest.approx(float(objective(PROGRAM.train_on(start(), WEIGHTS))))


def test_inputs_stay_within_the_value_range() -> None:
    fitted = fit(learning_rate=1.0, iterations=10).data
    assert fitted.inputs.min() == -1
    assert fitted.inputs.max() == 1


def test_the_same_start_gives_the_same_data_bit_for_bit() -> None:
    one, other = fit(iterations=10), fit(iterations=10)
    assert one.losses == other.losses
    assert torch.equal(one.data.inputs, other.data.inputs)
    assert torch.equal(one.data.label_logits, other.data.label_logits)


def test_arguments_stay_as_they_are() -> None:
    data = start()
    given = [data.inputs, data.label_logits, UPDATE.delta, WEIGHTS]
    before = [tensor.clone() for tensor in given]
    found = fit(data=data, iterations=5)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
    assert not any(tensor.requires_grad for tensor in [*given, found.data.inputs, found.data.label_logits])


def test_an_update_of_zero_has_nothing_to_recover() -> None:
    data = start()
    assert fit(NOTHING, data=data) == Fit(data, ())


def test_a_fit_goes_on_from_where_another_ended() -> None:
    first = fit()
    assert fit(data=first.data, iterations=1).losses[0] < 0.2 * first.losses[0]


def test_every_iteration_is_reported_as_it_is_done() -> None:
    seen: list[int] = []
    fit(iterations=4, on_iteration=seen.append)
    assert seen == [1, 2, 3, 4]


# --- several targets ------------------------------------------------------------------------------------------------


def test_several_updates_of_a_client_are_explained_at_once() -> None:
    both = fit(UPDATE, LATER, iterations=120).data
    assert min(explained(both, target) for target in (UPDATE, LATER)) > 0.9


def test_the_generator_draws_the_target_of_each_iteration() -> None:
    torch.manual_seed(1)
    before, one = torch.get_rng_state(), fit(UPDATE, LATER, iterations=12)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert fit(UPDATE, LATER, iterations=12).losses == one.losses
    assert fit(UPDATE, LATER, iterations=12, seed=1).losses != one.losses
    firsts = {fit(UPDATE, LATER, iterations=1, seed=seed).losses[0] for seed in range(20)}
    assert firsts == {fit(target, iterations=1).losses[0] for target in (UPDATE, LATER)}


def test_targets_of_zero_are_never_drawn() -> None:
    assert fit(NOTHING, UPDATE, NOTHING, iterations=6).losses == fit(UPDATE, iterations=6).losses


# --- steps ----------------------------------------------------------------------------------------------------------


def test_sign_adam_moves_every_input_alike_wherever_its_gradient_keeps_its_sign() -> None:
    """The steps of Adam on constant gradients are of one learning rate; of the inputs only the signs count."""
    data = start()
    moved = fit(optimizer="sign-adam", learning_rate=0.01, iterations=2, data=data).data.inputs - data.inputs
    steady = moved.abs() > 0.015
    assert steady.float().mean() > 0.8
    torch.testing.assert_close(moved[steady].abs(), torch.full((int(steady.sum()),), 0.02), rtol=0, atol=1e-5)


def test_the_published_schedule_lowers_the_rate_after_3_5_and_7_eighths() -> None:
    settings = FitSettings(iterations=16, learning_rate=2.0, schedule="published")
    rates = [settings.learning_rate_at(iteration) for iteration in range(1, 17)]
    assert rates == pytest.approx([2.0] * 6 + [0.2] * 4 + [0.02] * 4 + [0.002] * 2)


def test_its_steps_become_smaller() -> None:
    at = [fit(schedule="published", learning_rate=0.01, iterations=8).data.inputs - start().inputs]
    at.append(fit(schedule="constant", learning_rate=0.01, iterations=8).data.inputs - start().inputs)
    # 3 + 2 * 0.1 + 2 * 0.01 + 0.001 steps against 8
    assert at[0].abs().median() < 0.5 * at[1].abs().median()


def test_the_constant_schedule_keeps_the_rate() -> None:
    assert {FitSettings(iterations=8, learning_rate=0.5).learning_rate_at(i) for i in range(1, 9)} == {0.5}


# --- stopping early -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "flattened"),
    [
        ([1.0, 1.0, 0.91, 0.91], True),
        ([1.0, 1.0, 0.89, 0.89], False),
        ([1.0, 1.0, 1.1, 0.68], False),  # 0.89 on mean
        ([1.0, 1.0, 2.0, 2.0], True),  # rising
        ([9.0, 9.0, 1.0, 1.0, 0.95, 0.95], True),  # only the last four count
        ([0.91, 0.91, 0.5, 0.5, 0.1, 0.1], False),
        ([1.0, 1.0, 1.0], False),  # too few to tell
    ],
)
def test_losses_have_flattened_when_they_fall_by_less_than_the_tolerance(losses: list[float], flattened: bool) -> None:
    settings = FitSettings(tolerance=0.1, patience=2)
    assert settings.flattened([torch.tensor(loss) for loss in losses]) is flattened


def test_without_tolerance_losses_never_flatten() -> None:
    assert not FitSettings(tolerance=0.0, patience=2).flattened([torch.tensor(1.0)] * 10)


def test_a_fit_stops_when_its_losses_have_flattened() -> None:
    long = fit(iterations=200, tolerance=0.0)
    short = fit(iterations=200, tolerance=0.2, patience=5)
    assert 10 <= short.iterations < 200
    assert short.losses == long.losses[: short.iterations]
    last = [sum(short.losses[-5 * k : len(short.losses) - 5 * (k - 1)]) for k in (2, 1)]
    assert last[1] > 0.8 * last[0]
