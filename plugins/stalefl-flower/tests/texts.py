"""A small data set of texts and a small model of them, offered as an installed package offers them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from stalefl import registry
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, Entry, InputSpec, ModelPlugin, Split
from stalefl.hookspecs import hookimpl
from stalefl.seeds import named_generator
from stalefl.training.token_layer import TokenEmbedding

CLASSES, LENGTH, TOKENS = 3, 4, 9
TEXTS = {"data.dataset": "own-texts", "model.name": "mean-of-words", "staleness.affected_class": 0}
"""Keys of an experiment on the data set and the model of this module."""


class OwnTexts(DatasetPlugin):
    summary = "texts of four words, two of which are of the text's class"

    def load(self, context: DataContext) -> Dataset:
        last = float(TOKENS - 1)
        tokens = ("<pad>", "<unk>", *(f"word{i}" for i in range(2, TOKENS)))
        spec = InputSpec((LENGTH,), CLASSES, ((0.0,) * LENGTH, (last,) * LENGTH), "tokens", tokens=tokens)
        return Dataset("own-texts", _split("train", 30), _split("test", 10), spec)


class MeanOfWords(ModelPlugin):
    summary = "a linear layer on the mean of the words' vectors"

    def build(self, spec: InputSpec) -> nn.Module:
        return MeanOfWordsModule(TokenEmbedding(len(spec.tokens), 2), spec.classes)


class MeanOfWordsModule(nn.Module):
    def __init__(self, embedding: TokenEmbedding, classes: int) -> None:
        super().__init__()
        self.embedding, self.output = embedding, nn.Linear(2, classes)

    def forward(self, texts: Tensor) -> Tensor:
        return self.output(self.embedding(texts).mean(dim=1))


@contextmanager
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The data set ``own-texts`` and the model ``mean-of-words`` have their names."""
    module = ModuleType("own_plugin")
    module.stalefl_datasets = hookimpl(lambda: [Entry("own-texts", OwnTexts)])  # type: ignore[attr-defined]
    module.stalefl_models = hookimpl(lambda: [Entry("mean-of-words", MeanOfWords)])  # type: ignore[attr-defined]
    plugins = [*registry.installed_plugins(), registry.Plugin(module, "own-package", "1.0")]
    with monkeypatch.context() as patch:
        patch.setattr(registry, "installed_plugins", lambda: plugins)
        registry.load_registry.cache_clear()
        yield
    registry.load_registry.cache_clear()


def _split(part: str, per_class: int) -> Split:
    """Word 2 + 2c or 3 + 2c in the first two places of a text of class c, any word in the other two."""
    generator = named_generator(0, f"own-texts-{part}")
    targets = torch.arange(CLASSES).repeat_interleave(per_class)
    of_class = 2 + 2 * targets[:, None] + torch.randint(2, (len(targets), 2), generator=generator)
    of_any = torch.randint(2, TOKENS, (len(targets), 2), generator=generator)
    return Split(torch.cat([of_class, of_any], dim=1), targets, Tensor.float)
