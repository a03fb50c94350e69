"""A classifier trained on the real data: does it still recognise what an attack recovered?

It is trained with the program that clients use, on at most so many training samples as its settings say, and kept in a
cache folder, as it depends on nothing but the data set and the settings.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from stalefl.contracts import Dataset, InputError, InputSpec, LocalTraining, Split
from stalefl.registry import load_registry
from stalefl.seeds import named_generator
from stalefl.storage import load_tree, save_tree
from stalefl.training.evaluation import evaluate
from stalefl.training.local_update import local_update
from stalefl.training.model import FlatModel, build_flat_model

SAMPLES_AT_ONCE = 10_000
"""Training samples held as float32 at a time; momentum starts anew with each chunk."""
INPUTS_AT_ONCE = 500
INPUTS_IN_KEY = 8
CACHE_VERSION = 1
"""Part of the name of a cached file; another one where training or its file changes."""
LEAST_SIDE = 16
"""Smaller images get cnn-digits."""


@dataclass(frozen=True)
class ClassifierSettings:
    """What the classifier is and how it is trained. Momentum is 0.9; the rate falls along a half cosine to 0."""

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    train_samples: int = 50_000
    epochs: int = 3
    batch_size: int = 32
    lr: float = 0.02
    weight_decay: float = 5e-4


def settings_for(
    spec: InputSpec, samples: int, model: str = "mlp", options: Mapping[str, Any] | None = None
) -> ClassifierSettings:
    """A small CNN for images; for other inputs the model given, that is, the audited one. A small training split of
    ``samples`` is gone through more often, so that there are at least about 1,000 steps."""
    if spec.space == "pixels" and len(spec.shape) == 3:
        model, options = ("cnn-cifar" if min(spec.shape[1:]) >= LEAST_SIDE else "cnn-digits"), {}
    settings = ClassifierSettings(model, dict(options or {}))
    steps = math.ceil(max(1, min(samples, settings.train_samples)) / settings.batch_size)
    return replace(settings, epochs=max(settings.epochs, math.ceil(1000 / steps)))


@dataclass(frozen=True)
class Classifier:
    """A trained network. Inputs are model inputs [n, *shape]; results are on the CPU."""

    settings: ClassifierSettings
    model: FlatModel
    weights: Tensor
    buffers: Mapping[str, Tensor]
    test_accuracy: float
    """In 0..1, on the data set's test split."""

    def predict(self, inputs: Tensor) -> Tensor:
        """The predicted classes [n] of ``inputs``."""
        return torch.cat([self._logits(part).argmax(dim=1) for part in inputs.split(INPUTS_AT_ONCE)])

    def features(self, inputs: Tensor) -> list[Tensor]:
        """The rectified outputs [n, C, h, w] of every convolution, in order."""
        with _watching(self.model.module, nn.Conv2d) as seen:
            self._logits(inputs)
        return [relu(output).contiguous().cpu() for _, output in seen]

    def penultimate(self, inputs: Tensor) -> Tensor:
        """What the last linear layer is given, [n, F]."""
        return torch.cat([self._before_last(part) for part in inputs.split(INPUTS_AT_ONCE)])

    def _before_last(self, inputs: Tensor) -> Tensor:
        with _watching(self.model.module, nn.Linear) as seen:
            self._logits(inputs)
        return seen[-1][0].cpu()

    def _logits(self, inputs: Tensor) -> Tensor:
        return self.model.forward(self.weights, self.buffers, inputs).cpu()


@contextmanager
def _watching(module: nn.Module, kind: type[nn.Module]) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Input and output of every layer of one kind, in the order in which they are called."""
    seen: list[tuple[Tensor, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda _, given, made: seen.append((given[0], made)))
        for layer in module.modules()
        if isinstance(layer, kind)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def trained_classifier(
    dataset: Dataset,
    settings: ClassifierSettings,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
    on_progress: Callable[[float], None] = lambda share: None,
) -> Classifier:
    """The classifier of ``dataset``, from the folder ``cache`` if it is there; else trained, and written there.

    ``on_progress`` is told the share of the training done. A damaged file in the cache is replaced. Raises InputError
    if the model does not fit the data or the cache cannot be written.
    """
    plugin = load_registry().create("model", settings.model, settings.options)
    start = build_flat_model(plugin, dataset.spec, named_generator(0, "audit-classifier-weights"), device)
    file = cache / f"classifier-{_key(dataset, settings)}.safetensors" if cache else None
    if file and (found := _stored(file, settings, start[0], start[2])):
        on_progress(1.0)
        return found
    model, weights, buffers = _train(start, dataset.train, settings, on_progress)
    accuracy = evaluate(model, weights, buffers, dataset.test).accuracy
    if file:
        with suppress(OSError):  # save_tree says it better
            file.parent.mkdir(parents=True, exist_ok=True)
        save_tree(file, {"weights": weights, "buffers": buffers, "test_accuracy": accuracy})
    return Classifier(settings, model, weights, buffers, accuracy)


Network = tuple[FlatModel, Tensor, dict[str, Tensor]]


def _train(start: Network, split: Split, settings: ClassifierSettings, on_progress: Callable[[float], None]) -> Network:
    """Chunk by chunk: a chunk is one round of local training over samples drawn for it."""
    model, weights, buffers = start
    generator = named_generator(0, "audit-classifier")
    count = min(len(split), settings.train_samples)
    own = torch.randperm(len(split), generator=generator)[:count]
    chunks = [
        c
        for _ in range(settings.epochs)
        for c in own[torch.randperm(count, generator=generator)].split(SAMPLES_AT_ONCE)
    ]
    for done, chunk in enumerate(chunks):
        training = LocalTraining(
            local_epochs=1,
            batch_size=settings.batch_size,
            lr=settings.lr * (1 + math.cos(math.pi * done / len(chunks))) / 2,
            momentum=0.9,
            weight_decay=settings.weight_decay,
            nesterov=True,
        )
        inputs, targets = split.take(chunk)
        result = local_update(model, weights, buffers, inputs, targets, training, generator)
        weights, buffers = weights + result.delta, result.buffers
        on_progress((done + 1) / len(chunks))
    return model, weights, buffers


def _key(dataset: Dataset, settings: ClassifierSettings) -> str:
    """What the trained weights depend on: the data set by its name, labels, input spec and first inputs (those of texts
    hang on the audited model), and the settings."""
    digest = hashlib.blake2b(digest_size=12)
    for part in (CACHE_VERSION, dataset.name, dataset.spec, settings):
        digest.update(f"{part!r}\n".encode())
    for split in (dataset.train, dataset.test):
        digest.update(split.targets.cpu().numpy().tobytes())
        digest.update(split.take(range(min(INPUTS_IN_KEY, len(split))))[0].cpu().numpy().tobytes())
    return digest.hexdigest()


def _stored(
    file: Path, settings: ClassifierSettings, model: FlatModel, like: Mapping[str, Tensor]
) -> Classifier | None:
    """None if the file is missing or not whole."""
    try:
        tree = load_tree(file)
    except InputError:
        return None
    weights = tree["weights"].to(model.device)
    buffers = {name: tree["buffers"][name].to(model.device) for name in like}
    return Classifier(settings, model, weights, buffers, tree["test_accuracy"])
