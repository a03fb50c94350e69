"""The one rule by which every data set turns labels into classes.

The classes are the labels that occur in the training or in the test split, in their natural order: numbers first, by
their value (2 before 10), then all other names by alphabet. A number's name is the number itself, without a ".0". All
texts are ordinary names, "NA", "null" and "true" as well. Labels that already are numbers of declared classes, as a
``ClassLabel`` of Hugging Face's, keep the declared classes and their order, also where some do not occur.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from stalefl.contracts import InputError
from stalefl.formatting import printable, shortly

NUMBER_NAME = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?")
SCIENTIFIC = re.compile(r"[+-]?[0-9]\.[0-9]{1,30}[eE][+-][0-9]{2}")
"""A number as numpy stores it in a text; an "1e3" may well be a name."""
UNLABELLED = "-1"
FEWEST_SUSPECT_CLASSES = 1000
"""More classes than that, most of which have a single sample, are no classes."""
NAMED_TYPES = (str, int, float, decimal.Decimal, datetime.date)
SPLIT_OFF = "--set data.options.test_split= splits a share of the training split off for testing"


class Classes(NamedTuple):
    """The names of the classes, and the class int64 [N] of every training and of every test sample."""

    names: tuple[str, ...]
    train: Tensor
    test: Tensor


def classes_of(
    train: Sequence[object],
    test: Sequence[object] = (),
    name: str = "",
    declared: Sequence[str] = (),
    advice: str = SPLIT_OFF,
    where: Callable[[str, int], str] | None = None,
) -> Classes:
    """The classes of a data set ``name`` from the labels of its splits; ``test`` is empty where it is split off later.

    With ``declared`` class names labels are their numbers. ``advice`` says how to do without the test split, ``where``
    names the sample of a split that has a bad label. Raises InputError, naming the sample, for a label that is missing
    or no name and no number; for a test split that is not labelled (-1 or nothing throughout, as published ones are);
    for a class of the test split that the training split does not have; and for labels that tell samples apart instead
    of classes.
    """
    where = where or (lambda part, index: f"sample {index + 1} of the {part} split")
    learnt, tested = ([_name(label) for label in labels] for labels in (train, test))
    if tested and _unlabelled(tested, learnt):
        raise InputError(f"{name}: the test split is not labelled (its labels are -1 or missing); {advice}")
    for part, labels, names in (("training", train, learnt), ("test", test, tested)):
        if None in names:
            index = names.index(None)
            raise InputError(f"{name}: {where(part, index)} {_fault(labels[index])}")
        if declared:
            _check_declared(part, names, declared, name, advice, where)
    if declared:
        numbers = (torch.tensor([int(str(each)) for each in part]).long() for part in (learnt, tested))
        return Classes(tuple(map(printable, declared)), *numbers)
    return _found([str(each) for each in learnt], [str(each) for each in tested], name, advice)


def _unlabelled(test: Sequence[str | None], train: Sequence[str | None]) -> bool:
    """Whether all are -1, which can be a class where it occurs in training, or missing."""
    return all(each in (None, UNLABELLED) for each in test) and (None in test or UNLABELLED not in train)


def natural_order(names: Iterable[str]) -> list[str]:
    """Numbers by their value, then all other names by alphabet."""
    return sorted(names, key=_natural)


def empty_classes(targets: Tensor, class_names: Sequence[str]) -> list[str]:
    """The names of the classes that none of ``targets`` [N] has."""
    counts = torch.bincount(targets, minlength=len(class_names))
    return [class_names[label] for label in (counts == 0).nonzero().flatten().tolist()]


def _natural(name: str) -> tuple[int, decimal.Decimal, str]:
    return (0, decimal.Decimal(name), name) if NUMBER_NAME.fullmatch(name) else (1, decimal.Decimal(0), name)


def _found(train: list[str], test: list[str], name: str, advice: str) -> Classes:
    names = natural_order({*train, *test})
    if unlearnt := natural_order(set(test) - set(train)) if test else []:
        if UNLABELLED in unlearnt:
            raise InputError(f"{name}: samples of the test split are not labelled (their labels are -1); {advice}")
        raise InputError(
            f"{name}: no training sample is of class {shortly(unlearnt)}, which the test split has; valid: every class "
            "in the training split"
        )
    if len(names) > max(FEWEST_SUSPECT_CLASSES, (len(train) + len(test)) // 2):
        raise InputError(
            f"{name}: the labels are {len(names)} different values ({shortly(names)}) in {len(train) + len(test)} "
            "samples; valid: classes, of two or more samples each"
        )
    number = {each: position for position, each in enumerate(names)}
    return Classes(tuple(names), *(torch.tensor([number[each] for each in part]).long() for part in (train, test)))


def _check_declared(
    part: str,
    labels: Sequence[str | None],
    declared: Sequence[str],
    name: str,
    advice: str,
    where: Callable[[str, int], str],
) -> None:
    """Raises InputError, naming the sample, for a label that is no number of a declared class."""
    valid = {str(position) for position in range(len(declared))}
    for index, label in enumerate(labels):
        if label not in valid:
            hint = f"; {advice}" if part == "test" and label == UNLABELLED else ""
            raise InputError(
                f"{name}: {where(part, index)} has the label {label}; valid: 0 to {len(declared) - 1}, the numbers "
                f"of the declared classes{hint}"
            )


def _name(label: object) -> str | None:
    """The name of a label's class; None where the label is missing, or nothing that can name a class."""
    if not isinstance(label, NAMED_TYPES) or label != label:
        return None
    return _text_name(str(label).lower() if isinstance(label, bool) else _number_text(label))


def _number_text(label: object) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


@lru_cache(maxsize=100_000)
def _text_name(text: str) -> str | None:
    """Without blanks around it and, for a number, without zeros behind the point; "1" and "01" stay apart."""
    text = printable(text.strip())
    if SCIENTIFIC.fullmatch(text):
        text = f"{decimal.Decimal(text):f}"
    if NUMBER_NAME.fullmatch(text):
        whole, _, fraction = text.removeprefix("+").partition(".")
        rest = fraction.rstrip("0")
        text = f"{whole}.{rest}" if rest else "0" if whole == "-0" else whole
    return text or None


def _fault(label: object) -> str:
    if label is None or isinstance(label, NAMED_TYPES):
        return "has no label; valid: a label for every sample"
    return f"has a label of type {type(label).__name__}; valid: a number, a name, true or false"
