from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softmax

from stalefl.builtins.compensators.dynafed.trajectory import (
    Match,
    MatchSettings,
    PseudoData,
    match_trajectory,
    random_pseudo_data,
    unrolled,
)
from stalefl.builtins.models.mlp import Mlp, MlpOptions
from stalefl.contracts import InputSpec, LocalTraining
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model
from tests.fixtures import SPEC, TRAINING, samples, tiny_mlp

MODEL, WEIGHTS, BUFFERS = tiny_mlp()


def generator(seed: int = 0) -> torch.Generator:
    return named_generator(seed, "test-trajectory")


def trajectory(rounds: int = 6) -> list[Tensor]:
    """A model trained on 40 samples, round after round."""
    models = [WEIGHTS]
    for _ in range(rounds):
        models.append(models[-1] + local_update(MODEL, models[-1], BUFFERS, *samples(40), TRAINING).delta)
    return models


def start(step_size: float = 0.1, spec: InputSpec = SPEC) -> PseudoData:
    return random_pseudo_data(spec, 6, step_size, generator(), torch.device("cpu"))


def matched(models: list[Tensor] | None = None, seed: int = 0, **known: Any) -> Match:
    settings = MatchSettings(**{"iterations": 80, "inner_steps": 10, **known})
    return match_trajectory(MODEL, BUFFERS, models or trajectory(), start(), settings, generator(seed))


def test_the_search_begins_from_noise_without_labels() -> None:
    inputs, logits, step_size = start()
    assert inputs.shape == (6, 4)
    assert torch.equal(logits, torch.zeros(6, 3))
    assert torch.equal(start().labels, torch.full((6, 3), 1 / 3))
    assert float(step_size) == pytest.approx(0.1)


def test_unrolling_is_local_training_with_the_step_size_as_learning_rate() -> None:
    data = start(0.25)._replace(label_logits=torch.eye(3).repeat(2, 1))
    settings = MatchSettings(inner_steps=4)
    expected = local_update(
        MODEL, WEIGHTS, BUFFERS, data.inputs, softmax(data.label_logits, 1), LocalTraining(local_epochs=4, lr=0.25)
    )
    torch.testing.assert_close(unrolled(MODEL, BUFFERS, WEIGHTS, data, settings, generator()), expected.delta)


def test_gradients_reach_inputs_labels_and_step_size() -> None:
    """Against central differences, in double precision."""
    weights, settings = WEIGHTS.double(), MatchSettings(inner_steps=3)
    data = PseudoData(*(part.double() for part in start()))

    def value(*parts: Tensor) -> Tensor:
        return unrolled(MODEL, BUFFERS, weights, PseudoData(*parts), settings, generator()).square().sum()

    leaves = [part.clone().requires_grad_() for part in data]
    gradients = torch.autograd.grad(value(*leaves), leaves)
    for i, place in enumerate([(2, 1), (4, 0), ()]):
        moved = [[part.clone() for part in data] for _ in range(2)]
        for parts, sign in zip(moved, (1, -1), strict=True):
            parts[i][place] += sign * 1e-5
        above, below = (float(value(*parts).detach()) for parts in moved)
        slope = (above - below) / 2e-5
        assert float(gradients[i][place]) == pytest.approx(slope, rel=1e-5)
        assert slope != 0


def test_the_distance_falls_and_the_data_move_any_model_along_the_trajectory() -> None:
    models, found = trajectory(), matched()
    assert len(found.losses) == 80
    assert sum(found.losses[-10:]) < 0.5 * sum(found.losses[:10])
    settings = MatchSettings(inner_steps=10)
    for begin, after in [(0, 2), (3, 5)]:
        reached = models[begin] + unrolled(MODEL, BUFFERS, models[begin], found.data, settings, generator())
        assert (reached - models[after]).norm() < 0.8 * (models[begin] - models[after]).norm()


def test_inputs_labels_and_step_size_are_all_learned_each_at_its_own_rate() -> None:
    for part, name in enumerate(["input_lr", "label_lr", "step_size_lr"]):
        rates = {"input_lr": 0.0, "label_lr": 0.0, "step_size_lr": 0.0, name: 0.01}
        found = matched(iterations=2, **rates)
        changed = [not torch.equal(a, b) for a, b in zip(found.data, start(), strict=True)]
        assert changed == [i == part for i in range(3)]


def test_the_step_size_stays_positive() -> None:
    assert float(matched(iterations=3, step_size_lr=10.0).data.step_size) > 0


def test_data_that_move_nothing_are_at_distance_one() -> None:
    settings = MatchSettings(iterations=6, inner_steps=2, input_lr=0.0, label_lr=0.0, step_size_lr=0.0)
    found = match_trajectory(MODEL, BUFFERS, trajectory(), start(1e-9), settings, generator())
    assert found.losses == pytest.approx([1.0] * 6, rel=1e-5)


def test_targets_are_means_of_two_or_three_of_the_models_that_follow() -> None:
    """One start, and models 1, 2 and 4 steps from it along a line. Training on the data goes a hundredth of a step
    along it, so that a target m steps away gives the loss (1 - 0.01 / m)^2, which tells m."""
    data, settings = start(), MatchSettings(inner_steps=1)
    small = unrolled(MODEL, BUFFERS, WEIGHTS, data, settings, generator())
    models = [WEIGHTS + 100 * times * small for times in (0, 1, 2, 4)]
    rates = {"input_lr": 0.0, "label_lr": 0.0, "step_size_lr": 0.0}
    found = matched(models, iterations=60, inner_steps=1, **rates)
    means = {1.5, 2.5, 3.0, 7 / 3}
    seen = {round(0.01 / (1 - loss**0.5), 2) for loss in found.losses}
    assert seen == {round(mean, 2) for mean in means}


def test_a_trajectory_that_stands_still_gives_no_nan() -> None:
    found = matched([WEIGHTS] * 5, iterations=3)
    assert all(torch.isfinite(part).all() for part in found.data)


def test_augmented_images_are_learned_too_and_draw_from_the_generator_alone() -> None:
    model, weights, buffers = image_mlp()
    models = [weights]
    for _ in range(4):
        inputs = torch.randn(20, 1, 4, 4, generator=generator(5))
        models.append(
            models[-1] + local_update(model, models[-1], buffers, inputs, torch.arange(20) % 3, TRAINING).delta
        )
    spec = InputSpec(shape=(1, 4, 4), classes=3, value_range=((-1.0,), (1.0,)))
    settings = MatchSettings(iterations=2, inner_steps=3, augment=True)
    one, same, other = (
        match_trajectory(model, buffers, models, start(spec=spec), settings, generator(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one.data.inputs, same.data.inputs)
    assert not torch.equal(one.data.inputs, other.data.inputs)
    assert not torch.equal(one.data.inputs, start(spec=spec).inputs)


def image_mlp() -> tuple[Any, Tensor, dict[str, Tensor]]:
    spec = InputSpec(shape=(1, 4, 4), classes=3, value_range=((-1.0,), (1.0,)))
    return build_flat_model(Mlp(MlpOptions(hidden=(5,))), spec, named_generator(0, "initial-weights"))


def test_progress_is_told_every_iteration() -> None:
    seen: list[tuple[int, float]] = []
    settings = MatchSettings(iterations=3, inner_steps=2)
    found = match_trajectory(
        MODEL, BUFFERS, trajectory(), start(), settings, generator(), lambda i, loss: seen.append((i, float(loss)))
    )
    assert seen == list(enumerate(found.losses, start=1))
