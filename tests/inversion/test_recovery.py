from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import cross_entropy

from stalefl.config.explain import validate
from stalefl.contracts import ClientUpdate, LocalTraining
from stalefl.inversion.fit import FitSettings
from stalefl.inversion.recovery import PUBLISHED, Recovery, RecoveryOptions, published_loss, recover
from stalefl.storage import load_tree, save_tree
from stalefl.training.local_update import local_update
from tests.fixtures import TRAINING, samples, tiny_mlp, update, view

MODEL, BASE, BUFFERS = tiny_mlp()
FAR = LocalTraining(local_epochs=60, lr=0.1, momentum=0.5)
MOVED = BASE + local_update(MODEL, BASE, BUFFERS, *samples(40, seed=9), FAR).delta


def arrived(base: Tensor = BASE, scale: float = 1.0, count: int = 12) -> ClientUpdate:
    delta = scale * local_update(MODEL, base, BUFFERS, *samples(count), TRAINING).delta
    return update(delta, client=3, samples=count, staleness_rounds=12, base_weights=base)


def recovered(client_update: ClientUpdate | None = None, memory: Any = None, seed: int = 0, **options: Any) -> Recovery:
    options = {"size": 8, "iterations": 6, "warm_iterations": 3, **options}
    now = view(MOVED, model=MODEL, seed=seed)
    return recover(client_update or arrived(), now, RecoveryOptions(**options), memory)


def test_the_second_time_fewer_iterations_start_from_the_last_data() -> None:
    first = recovered()
    second = recovered(memory=first.memory)
    assert (first.fit.iterations, second.fit.iterations) == (6, 3)
    assert second.fit.losses[0] < first.fit.losses[-1]


def test_without_warm_start_the_second_time_is_the_first() -> None:
    first = recovered(warm_start=False)
    second = recovered(memory=first.memory, warm_start=False)
    assert second.fit.losses == first.fit.losses


def test_the_views_generator_decides_the_start() -> None:
    assert recovered().fit.losses == recovered().fit.losses
    assert recovered(seed=1).fit.losses != recovered().fit.losses


@pytest.mark.parametrize(("size", "expected"), [("auto", 50), (7, 7)])
def test_the_size_is_given_or_follows_the_clients(size: Any, expected: int) -> None:
    assert len(recovered(arrived(count=400), size=size, iterations=1).fit.data) == expected


def test_the_last_data_keep_their_kind_of_labels() -> None:
    first = recovered(labels="hard")
    second = recovered(labels="hard", memory=first.memory)
    assert second.fit.data.label_kind == "hard"


def test_so_many_updates_are_remembered_newest_first() -> None:
    updates, memory, remembered = [arrived(scale=scale) for scale in (1.0, 1.1, 1.2, 1.3)], None, []
    for client_update in updates:
        memory = recovered(client_update, memory, fit_updates=3).memory
        remembered.append([next(i for i, u in enumerate(updates) if u.delta is kept[1]) for kept in memory["updates"]])
    assert remembered == [[0], [1, 0], [2, 1, 0], [3, 2, 1]]
    assert memory is not None
    assert all(torch.equal(kept[0], BASE) for kept in memory["updates"])


def test_remembered_updates_are_explained_too() -> None:
    one = recovered(iterations=60, tolerance=0.0, fit_updates=2)
    options = {"iterations": 120, "learning_rate": 0.1, "tolerance": 0.0, "warm_start": False}
    both = recovered(arrived(MOVED), one.memory, fit_updates=2, **options)
    alone = recovered(arrived(MOVED), one.memory, fit_updates=1, **options)
    old = arrived().delta
    errors = [(r.program.train_on(r.fit.data, BASE) - old).norm() / old.norm() for r in (both, alone)]
    assert errors[0] < 0.45
    assert errors[0] < 0.5 * errors[1]


def test_by_default_no_update_is_remembered() -> None:
    assert recovered().memory["updates"] == []


def test_the_memory_goes_through_a_checkpoint(tmp_path) -> None:
    memory = recovered(fit_updates=2).memory
    save_tree(tmp_path / "tree", memory)
    back = load_tree(tmp_path / "tree")
    assert recovered(memory=back, fit_updates=2).fit.losses == recovered(memory=memory, fit_updates=2).fit.losses


def test_a_longer_program_is_replayed_in_fewer_steps() -> None:
    assert recovered(replay_steps=2).program.steps == 2
    assert recovered().program.steps == TRAINING.local_epochs


# --- options --------------------------------------------------------------------------------------------------------


def test_options_become_the_settings_of_the_fit() -> None:
    options = RecoveryOptions(
        iterations=50, warm_iterations=5, learning_rate=0.2, disparity="cosine", sparsify=0.9, tolerance=0.1
    )
    expected = FitSettings(50, 0.2, "cosine", 0.9, 0.1, optimizer="adam", schedule="constant")
    assert options.fit_settings(warm=False) == expected
    assert options.fit_settings(warm=True).iterations == 5
    assert options.program(view(BASE, model=MODEL), 12).loss is cross_entropy


def test_the_published_recipe_presets_what_the_published_code_does() -> None:
    options = RecoveryOptions(recipe="published")
    assert {name: getattr(options, name) for name in PUBLISHED} == PUBLISHED
    settings = options.fit_settings(warm=False)
    assert (settings.optimizer, settings.schedule, settings.disparity) == ("sign-adam", "published", "l1")
    assert (settings.iterations, settings.learning_rate, options.size_for(400)) == (40_000, 1.0, 256)
    assert options.program(view(BASE, model=MODEL), 12).loss is published_loss


def test_a_preset_of_the_published_recipe_can_be_overridden() -> None:
    options = validate(RecoveryOptions, {"recipe": "published", "iterations": 10, "labels": "soft"})
    assert (options.iterations, options.labels) == (10, "soft")
    assert (options.size, options.disparity, options.warm_start) == (256, "l1", False)
    assert options.fit_settings(warm=False).optimizer == "sign-adam"


def test_the_default_recipe_presets_nothing() -> None:
    assert RecoveryOptions(recipe="stalefl") == RecoveryOptions()


def test_the_published_recipe_recovers_data_of_free_labels() -> None:
    found = recovered(recipe="published", iterations=40, learning_rate=0.1)
    assert found.fit.data.label_kind == "free"
    assert found.fit.iterations == 40
    assert min(found.fit.losses[20:]) < found.fit.losses[0]


def test_the_published_loss_on_literal_numbers() -> None:
    """Two equal logits: log-softmax -ln 2 each, of which the sigmoid is 1/3; -ln(1/3) and -ln(2/3) on mean."""
    loss = published_loss(torch.tensor([[5.0, 5.0]]), torch.tensor([[1.0, 0.0]]))
    assert float(loss) == pytest.approx((torch.tensor([3.0, 1.5]).log().mean()).item())


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": "paper"},
        {"size": 0},
        {"size": "large"},
        {"labels": "fuzzy"},
        {"disparity": "l3"},
        {"sparsify": 1.0},
        {"sparsify": -0.1},
        {"iterations": 0},
        {"learning_rate": 0.0},
        {"tolerance": 1.0},
        {"warm_iterations": 0},
        {"fit_updates": 0},
        {"replay_steps": -1},
    ],
)
def test_options_that_make_no_sense_are_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        RecoveryOptions(**options)
