from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.contracts import InputError
from stalefl.run.parts import load_dataset, local_training
from stalefl.seeds import named_generator
from stalefl.storage import save_weights
from stalefl.training.local_update import local_update
from stalefl.updates.observed import ObservedUpdate
from stalefl.updates.on_the_spot import made_of_samples
from tests.audit.problem import CONTEXT, experiment

DIGITS = load_dataset(experiment(), CONTEXT)


def made(weights: Path | None = None, **audit: int) -> list[ObservedUpdate]:
    return made_of_samples(experiment(audit=audit), DIGITS, weights)


def inputs(updates: list[ObservedUpdate]) -> torch.Tensor:
    data = [update.client_data for update in updates]
    return torch.cat([one[0] for one in data if one is not None])


def test_no_sample_is_in_two_clients() -> None:
    everything = made(cases=len(DIGITS.train) // 100, samples=100)
    names = DIGITS.train.take(range(len(DIGITS.train)))[0].flatten(1)
    there = {tuple(row.tolist()) for row in names}
    used = [tuple(row.tolist()) for row in inputs(everything).flatten(1)]
    assert set(used) <= there
    # Digits has no two equal images, so a sample used twice would show.
    assert len(there) == len(names)
    assert len(set(used)) == len(used)


def test_a_client_does_not_depend_on_how_many_there_are() -> None:
    few, many = made(cases=2, samples=3), made(cases=5, samples=3)
    assert torch.equal(inputs(few), inputs(many[:2]))
    assert all(torch.equal(a.update.delta, b.update.delta) for a, b in zip(few, many, strict=False))


def test_an_update_is_the_local_training_on_its_samples() -> None:
    second = made(cases=2, samples=3)[1]
    assert second.client_data is not None
    view, generator = second.view, named_generator(0, "unused by a full batch")
    training = local_training(experiment().training)
    again = local_update(view.model, view.weights, view.buffers, *second.client_data, training, generator)
    assert torch.equal(second.update.delta, again.delta)
    assert (second.update.samples, second.samples_known, second.from_elsewhere) == (3, True, False)


def test_clients_start_from_the_weights_of_a_file(tmp_path: Path) -> None:
    untrained = made(cases=1)[0]
    layout, other = untrained.view.model.layout, untrained.view.weights + 0.1
    save_weights(tmp_path / "w.safetensors", layout.to_named(other))
    given = made(tmp_path / "w.safetensors", cases=1)[0]
    assert torch.equal(given.update.base_weights, other)
    assert not torch.equal(given.update.delta, untrained.update.delta)


def test_more_samples_than_there_are(tmp_path: Path) -> None:
    there = len(DIGITS.train)
    message = f"audit.cases = 2 of audit.samples = {there} are {2 * there} samples; digits has {there} for training"
    with pytest.raises(InputError, match=message):
        made(cases=2, samples=there)


@pytest.mark.parametrize(("lr", "what"), [(1e-30, "zero"), (1e38, "not finite: the training diverged")])
def test_an_update_that_tells_nothing_is_refused(lr: float, what: str) -> None:
    tables: dict[str, Any] = {"training": {"lr": lr, "local_epochs": 3}}
    with pytest.raises(InputError, match=f"the update of client 0 is {what}; valid: another training.lr"):
        made_of_samples(experiment(**tables), DIGITS, None)
