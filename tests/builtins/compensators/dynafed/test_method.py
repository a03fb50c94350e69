from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from stalefl.builtins.compensators.dynafed.method import DynaFed, DynaFedOptions
from stalefl.builtins.datasets.digits import Digits
from stalefl.builtins.models.mlp import Mlp, MlpOptions
from stalefl.contracts import DataContext, InputSpec, Options, ServerView, State
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model
from tests.fixtures import SPEC, TRAINING, samples, tiny_mlp, view

MODEL, WEIGHTS, BUFFERS = tiny_mlp()
QUICK = {"start_rounds": 3, "images_per_class": 2, "iterations": 5, "inner_steps": 3}


def method(**options: Any) -> DynaFed:
    return DynaFed(DynaFedOptions(**{**QUICK, **options}))


def trained(weights: Tensor) -> Tensor:
    return weights + local_update(MODEL, weights, BUFFERS, *samples(40), TRAINING).delta


def seen(weights: Tensor, round: int, seed: int = 0) -> ServerView:
    return view(weights, model=MODEL, round=round, seed=seed)


def after_rounds(dynafed: DynaFed, rounds: int, seed: int = 0) -> tuple[Tensor, State]:
    """As if every round's FedAvg were training on the same 40 samples."""
    weights, state = WEIGHTS, dynafed.init(seen(WEIGHTS, 0))
    for round in range(1, rounds + 1):
        weights, state = dynafed.refine(trained(weights), seen(weights, round, seed), state)
    return weights, state


def test_the_first_rounds_are_fedavg_and_their_models_are_kept() -> None:
    weights, state = after_rounds(method(), 2)
    assert torch.equal(weights, trained(trained(WEIGHTS)))
    assert [torch.equal(a, b) for a, b in zip(state["trajectory"], [WEIGHTS, trained(WEIGHTS), weights], strict=True)]
    assert state["pseudo"] == {}


def test_the_data_are_made_once_and_the_trajectory_is_then_forgotten() -> None:
    weights, state = after_rounds(method(), 3)
    assert torch.equal(weights, trained(trained(trained(WEIGHTS))))
    assert state["trajectory"] == []
    assert state["pseudo"]["inputs"].shape == (2 * 3, 4)
    _, later = after_rounds(method(), 5)
    assert all(torch.equal(later["pseudo"][name], part) for name, part in state["pseudo"].items())


def test_later_rounds_are_fine_tuned_on_them() -> None:
    weights, state = after_rounds(method(), 3)
    tuned, _ = method().refine(trained(weights), seen(weights, 4), state)
    assert not torch.equal(tuned, trained(weights))
    assert (tuned - trained(weights)).abs().max() < 20 * 1e-4 * 1.05  # 20 steps of Adam
    far, _ = method(fine_tune_lr=1e-2).refine(trained(weights), seen(weights, 4), state)
    assert (far - trained(weights)).norm() > 10 * (tuned - trained(weights)).norm()


def test_a_round_whose_model_was_rejected_only_delays_the_data() -> None:
    dynafed = method()
    _, state = after_rounds(dynafed, 2)
    _, state = dynafed.refine(trained(WEIGHTS), seen(WEIGHTS, 9), state)
    assert set(state["pseudo"]) == {"inputs", "label_logits", "step_size"}


def test_the_views_generator_decides_and_nothing_else() -> None:
    torch.manual_seed(1)
    _, one = after_rounds(method(), 3)
    torch.manual_seed(2)
    _, same = after_rounds(method(), 3)
    _, other = after_rounds(method(), 3, seed=1)
    assert torch.equal(one["pseudo"]["inputs"], same["pseudo"]["inputs"])
    assert not torch.equal(one["pseudo"]["inputs"], other["pseudo"]["inputs"])


def test_only_images_are_augmented() -> None:
    picture = InputSpec(shape=(1, 8, 8), classes=3, value_range=((0.0,), (1.0,)))
    assert DynaFedOptions().match_settings(picture).augment
    assert not DynaFedOptions(augment="none").match_settings(picture).augment
    assert not DynaFedOptions().match_settings(SPEC).augment
    assert not DynaFedOptions().match_settings(replace(picture, space="embedding")).augment


def test_options_reach_the_search() -> None:
    settings = DynaFedOptions(iterations=7, inner_steps=4, window=2, input_lr=0.5, label_lr=0.25, step_size_lr=0.125)
    found = settings.match_settings(SPEC)
    assert (found.iterations, found.inner_steps, found.window) == (7, 4, 2)
    assert (found.input_lr, found.label_lr, found.step_size_lr) == (0.5, 0.25, 0.125)


def test_fewer_rounds_than_a_target_spans_are_refused() -> None:
    with pytest.raises(ValidationError, match="start_rounds must be at least window, 3"):
        method(start_rounds=2)


def test_how_far_it_is_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="stalefl.progress"):
        after_rounds(method(iterations=40), 3)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 20
    assert lines[-1].startswith("dynafed: pseudo data, iteration 40/40, loss ")
    assert lines[-1].endswith(", 0 s left")


# --- digits ---------------------------------------------------------------------------------------------------------


def test_fine_tuning_on_perfect_pseudo_data_brings_back_a_class_that_the_clients_forgot() -> None:
    """100 real digits as pseudo data, and a model trained on all digits but fives and sevens."""
    digits = Digits(Options()).load(DataContext(Path("no-data-needed")))
    model, weights, buffers = build_flat_model(
        Mlp(MlpOptions(hidden=(32,))), digits.spec, named_generator(0, "initial-weights")
    )
    inputs, targets = digits.train.take(range(500))
    kept = (targets != 5) & (targets != 7)
    training = replace(TRAINING, local_epochs=60)
    weights = weights + local_update(model, weights, buffers, inputs[kept], targets[kept], training).delta
    pseudo = {
        "inputs": inputs[:100],
        "label_logits": 20.0 * one_hot(targets[:100], 10).float(),
        "step_size": torch.tensor(0.04),
    }
    dynafed = method(fine_tune_lr=1e-2)
    state = {"trajectory": [], "pseudo": pseudo}
    tuned, _ = dynafed.refine(weights, view(weights, model=model, round=30), state)

    def loss(weights: Tensor) -> float:
        test_inputs, test_targets = digits.test.take(range(len(digits.test)))
        return float(cross_entropy(model.forward(weights, buffers, test_inputs), test_targets))

    assert loss(tuned) < 0.5 * loss(weights)
