"""From texts and labels to a data set of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from stalefl.contracts import Dataset, InputError, InputSpec, Split
from stalefl.data.labels import empty_classes
from stalefl.data.memory import check_memory
from stalefl.data.notices import tell_once
from stalefl.data.sources import split_off_test
from stalefl.formatting import shortly
from stalefl_text.tokenise import Encoded, TextOptions, encoded, trained_tokenizer, vocabulary


class Labelled(NamedTuple):
    """Texts and their classes int64 [N]."""

    texts: Sequence[str]
    targets: Tensor

    def take(self, indices: Tensor) -> Labelled:
        return Labelled([self.texts[index] for index in indices.tolist()], self.targets[indices])


def divided(name: str, every: Labelled, class_names: Sequence[str], test_fraction: float) -> tuple[Labelled, Labelled]:
    """A training and a test split, each class divided alike. Raises InputError for a class of one text."""
    counts = torch.bincount(every.targets, minlength=len(class_names))
    if single := [class_names[label] for label in (counts == 1).nonzero().flatten().tolist()]:
        raise InputError(
            f"{name}: class {shortly(single)} has one text only; valid: two or more, for training and testing"
        )
    train, test = split_off_test(every.targets, test_fraction, name)
    return every.take(train), every.take(test)


def text_dataset(
    name: str, train: Labelled, test: Labelled, class_names: Sequence[str], options: TextOptions
) -> Dataset:
    """A data set of tokens [length], whose vocabulary is that of the training split.

    Texts that are cut, or of which no token is known, are told of. Raises InputError for a class without a text, or a
    split in which no token is known.
    """
    for part, split in (("training", train), ("test", test)):
        _check_classes(name, part, split.targets, class_names)
    count = len(train.texts) + len(test.texts)
    check_memory(
        8 * count * options.length, f"{name}: {count} texts of {options.length} tokens", "valid: a smaller length"
    )
    tokenizer = trained_tokenizer(train.texts, options)
    tokens = vocabulary(tokenizer)
    parts = [
        Split(_tokens(name, part, encoded(tokenizer, split.texts, options.length), options), split.targets, _as_floats)
        for part, split in (("training", train), ("test", test))
    ]
    length, last = options.length, float(len(tokens) - 1)
    spec = InputSpec(
        shape=(length,),
        classes=len(class_names),
        value_range=((0.0,) * length, (last,) * length),
        space="tokens",
        class_names=tuple(class_names),
        tokens=tokens,
    )
    return Dataset(name, parts[0], parts[1], spec)


def _check_classes(name: str, part: str, targets: Tensor, class_names: Sequence[str]) -> None:
    if missing := empty_classes(targets, class_names):
        raise InputError(
            f"{name}: no text of class {shortly(missing)} in the {part} split; valid: at least one of every class"
        )


def _tokens(name: str, part: str, found: Encoded, options: TextOptions) -> Tensor:
    count = len(found.tokens)
    if found.unknown == count:
        raise InputError(
            f"{name}: no token of the {part} texts is in the vocabulary of {options.vocabulary_size}; valid: a greater "
            "vocabulary_size, or texts of the language of the training split"
        )
    if found.unknown:
        tell_once(
            f"{name}: {found.unknown} of {count} {part} texts hold no known token and are <unk> or empty throughout"
        )
    if found.cut:
        tell_once(f"{name}: {found.cut} of {count} {part} texts are cut after {options.length} tokens (option length)")
    return found.tokens


def _as_floats(tokens: Tensor) -> Tensor:
    return tokens.float()
