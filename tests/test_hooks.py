"""Every hook, used as a plugin package uses it: offered, found by name, given options, put to work."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from pydantic import Field
from torch import nn

from stalefl.contracts import (
    Attack,
    Compensated,
    Compensator,
    DataContext,
    Dataset,
    DatasetPlugin,
    Entry,
    Leak,
    ModelPlugin,
    Observer,
    Options,
    Split,
)
from stalefl.hookspecs import hookimpl
from stalefl.registry import Plugin, Registry
from stalefl.testing import (
    EXAMPLE_SPEC,
    example_exposure,
    example_records,
    example_samples,
    example_update,
    example_view,
    example_watched,
)


class HalfOptions(Options):
    share: float = Field(0.5, description="the share that is taken")


def created(hook: str, kind: str, target: type[Any], **options: Any) -> Any:
    """The object of a plugin whose module implements ``hook`` alone, by its name."""
    module = ModuleType("own_plugin")
    setattr(module, hook, hookimpl(lambda: [Entry("own", target)]))
    registry = Registry([Plugin(module, "own-package", "1.0")])
    assert registry.names(kind) == ("own",)
    return registry.create(kind, "own", options)


def test_stalefl_compensators() -> None:
    class Half(Compensator):
        Options = HalfOptions

        def compensate(self, update, view, state):
            return Compensated(self.options.share * update.delta, 1.0, state)

    method = created("stalefl_compensators", "method", Half, share=0.25)
    assert method.compensate(example_update([4.0]), example_view([0.0]), {}).delta.tolist() == [1.0]


def test_stalefl_models() -> None:
    class Linear(ModelPlugin):
        def build(self, spec):
            return nn.Linear(spec.shape[0], spec.classes)

    module = created("stalefl_models", "model", Linear).build(EXAMPLE_SPEC)
    assert module(example_samples(2)[0]).shape == (2, 3)


def test_stalefl_datasets() -> None:
    class Same(DatasetPlugin):
        def load(self, context):
            split = Split(*example_samples(4), to_model=torch.clone)
            return Dataset(context.data_dir.name, split, split, EXAMPLE_SPEC)

    dataset = created("stalefl_datasets", "dataset", Same).load(DataContext(Path("here")))
    assert (dataset.name, len(dataset.train)) == ("here", 4)


def test_stalefl_attacks() -> None:
    class Guess(Attack):
        Options = HalfOptions

        def attack(self, exposure, on_progress):
            on_progress(self.options.share)
            return Leak(torch.ones(exposure.samples, 3) / 3)

    told: list[float] = []
    leak = created("stalefl_attacks", "attack", Guess, share=1.0).attack(example_exposure(samples=2), told.append)
    assert (leak.labels.shape, told) == ((2, 3), [1.0])


def test_stalefl_observers() -> None:
    class Counts(Observer):
        Options = HalfOptions

        def begin(self, watched):
            self.seen = len(watched.records)

        def observe(self, record, method_state):
            self.seen += self.options.share

    observer = created("stalefl_observers", "observer", Counts, share=2.0)
    records = example_records()
    observer.begin(example_watched(Path("run"), records[:1]))
    observer.observe(records[1], {})
    observer.end(None)
    assert observer.seen == 3.0
