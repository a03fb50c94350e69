"""A data set of 8x8 pictures and an untrained classifier of it, for the tests of this room."""

from __future__ import annotations

import torch
from torch import Tensor

from stalefl.audit.measure.classifier import Classifier, ClassifierSettings
from stalefl.contracts import Dataset, InputSpec, Split
from stalefl.registry import load_registry
from stalefl.seeds import named_generator
from stalefl.training.model import build_flat_model

SPEC = InputSpec(shape=(1, 8, 8), classes=2, value_range=((-1.0,), (1.0,)))
SETTINGS = ClassifierSettings("cnn-digits", epochs=2, batch_size=10, lr=0.02)


def to_model(raw: Tensor) -> Tensor:
    return raw.float() / 127.5 - 1


def halves(count: int, seed: int = 0) -> Split:
    """Noise whose left (class 0) or right (class 1) half is bright."""
    generator = named_generator(seed, "halves")
    targets = torch.arange(count) % 2
    raw = torch.randint(0, 100, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    raw[targets == 0, :, :, :4] += 150
    raw[targets == 1, :, :, 4:] += 150
    return Split(raw, targets, to_model)


def dataset(seed: int = 0) -> Dataset:
    return Dataset("halves", halves(100, seed), halves(40, seed + 1), SPEC)


def untrained(spec: InputSpec = SPEC, name: str = "cnn-digits") -> Classifier:
    plugin = load_registry().create("model", name)
    model, weights, buffers = build_flat_model(plugin, spec, named_generator(0, "untrained"))
    return Classifier(SETTINGS, model, weights, buffers, 0.5)


def images(count: int, spec: InputSpec = SPEC, seed: int = 0) -> Tensor:
    return 2 * torch.rand(count, *spec.shape, generator=named_generator(seed, "pictures")) - 1
