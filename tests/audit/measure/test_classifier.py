from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stalefl.audit.measure.classifier import settings_for, trained_classifier
from stalefl.contracts import DataContext, InputError, InputSpec
from stalefl.registry import load_registry
from tests.audit.measure.pictures import SETTINGS, SPEC, dataset, halves, images, untrained


def test_it_learns_and_tells_how_far_it_is() -> None:
    shares: list[float] = []
    classifier = trained_classifier(dataset(), SETTINGS, on_progress=shares.append)
    inputs, targets = halves(20, seed=7).take(torch.arange(20))
    assert classifier.test_accuracy == 1.0
    assert torch.equal(classifier.predict(inputs), targets)
    assert shares == [0.5, 1.0]


def test_the_same_settings_give_the_same_weights() -> None:
    first, second = (trained_classifier(dataset(), SETTINGS) for _ in range(2))
    assert torch.equal(first.weights, second.weights)
    assert not torch.equal(first.weights, trained_classifier(dataset(), replace(SETTINGS, epochs=1)).weights)


def test_at_most_so_many_samples_are_trained_on() -> None:
    few = trained_classifier(dataset(), replace(SETTINGS, train_samples=10))
    assert not torch.equal(few.weights, trained_classifier(dataset(), SETTINGS).weights)


def test_it_is_read_back_from_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = trained_classifier(dataset(), SETTINGS, cache)
    shares: list[float] = []
    again = trained_classifier(dataset(), SETTINGS, cache, on_progress=shares.append)
    assert torch.equal(first.weights, again.weights)
    assert again.test_accuracy == first.test_accuracy
    assert shares == [1.0]


def test_other_data_or_settings_have_files_of_their_own(tmp_path: Path) -> None:
    original = dataset()
    trained_classifier(original, SETTINGS, tmp_path)
    trained_classifier(original, replace(SETTINGS, epochs=1), tmp_path)
    trained_classifier(replace(original, name="other"), SETTINGS, tmp_path)
    trained_classifier(replace(original, train=halves(98)), SETTINGS, tmp_path)
    trained_classifier(replace(original, spec=replace(SPEC, value_range=((0.0,), (1.0,)))), SETTINGS, tmp_path)
    assert len(os.listdir(tmp_path)) == 5
    inverted = replace(original.train, to_model=lambda raw: -original.train.to_model(raw))
    trained_classifier(replace(original, train=inverted), SETTINGS, tmp_path)
    assert len(os.listdir(tmp_path)) == 6


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_file_is_trained_anew(tmp_path: Path, damage) -> None:
    first = trained_classifier(dataset(), SETTINGS, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert torch.equal(trained_classifier(dataset(), SETTINGS, tmp_path).weights, first.weights)
    assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot write"):
        trained_classifier(dataset(), SETTINGS, tmp_path / "file" / "cache")


def test_a_model_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="lenet needs images of at least 16x16"):
        trained_classifier(dataset(), replace(SETTINGS, model="lenet"))


def test_features_are_those_of_the_convolutions_and_of_the_last_layer() -> None:
    classifier = untrained()
    features = classifier.features(images(3))
    assert [tuple(f.shape) for f in features] == [(3, 16, 8, 8), (3, 32, 4, 4)]
    assert min(float(f.min()) for f in features) == 0.0
    inner = classifier.penultimate(images(3))
    last = classifier.model.layout.to_named(classifier.weights)
    logits = inner @ last["fc2.weight"].T + last["fc2.bias"]
    assert torch.equal(logits.argmax(dim=1), classifier.predict(images(3)))
    assert not classifier.model.module.conv1._forward_hooks


def test_the_network_goes_with_the_inputs() -> None:
    photos = InputSpec(shape=(3, 32, 32), classes=10, value_range=((0.0,) * 3, (1.0,) * 3))
    signals = InputSpec(shape=(2, 8), classes=10, value_range=((0.0,) * 2, (1.0,) * 2), space="signal")
    assert settings_for(photos, 50_000).model == "cnn-cifar"
    assert settings_for(SPEC, 1_000).model == "cnn-digits"
    own = settings_for(signals, 1_000, "mlp", {"hidden": [8]})
    assert (own.model, own.options) == ("mlp", {"hidden": [8]})


def test_few_samples_are_gone_through_more_often() -> None:
    assert settings_for(SPEC, 320).epochs == 100
    assert settings_for(SPEC, 1_000_000).epochs == 3


@pytest.mark.slow
@pytest.mark.realdata
def test_it_recognises_handwritten_digits(real_data: Path) -> None:
    mnist = load_registry().create("dataset", "mnist").load(DataContext(real_data))
    settings = replace(settings_for(mnist.spec, len(mnist.train)), train_samples=5_000)
    assert trained_classifier(mnist, settings).test_accuracy > 0.95
