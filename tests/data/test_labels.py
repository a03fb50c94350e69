from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import pytest

from stalefl.contracts import InputError
from stalefl.data.labels import classes_of, empty_classes, natural_order


@pytest.mark.parametrize(
    ("labels", "names", "targets"),
    [
        ([10, 2, 1, 10], ("1", "2", "10"), [2, 1, 0, 2]),
        (["10", "2", "1"], ("1", "2", "10"), [2, 1, 0]),
        ([1.0, 10.0, 2.5], ("1", "2.5", "10"), [0, 2, 1]),
        (["1.0", "10.0", "2.50", "1"], ("1", "2.5", "10"), [0, 2, 1, 0]),
        (["1.000000000000000000e+00", "1.000000000000000000e+01"], ("1", "10"), [0, 1]),
        ([2**40, 2019, 2**40], ("2019", "1099511627776"), [1, 0, 1]),
        ([-1, 1, 0], ("-1", "0", "1"), [0, 2, 1]),
        ([True, False], ("false", "true"), [1, 0]),
        (["true", "NA", "null", "nan"], ("NA", "nan", "null", "true"), [3, 0, 2, 1]),
        (["walk", "10", "2"], ("2", "10", "walk"), [2, 1, 0]),
        (["01", "1", "007"], ("01", "1", "007"), [0, 1, 2]),
        ([" a ", "a"], ("a",), [0, 0]),
        ([Decimal("2.0"), Decimal("1")], ("1", "2"), [1, 0]),
        ([datetime.date(2024, 5, 1), datetime.date(2023, 5, 1)], ("2023-05-01", "2024-05-01"), [1, 0]),
        (["9" * 5000, "2"], ("2", "9" * 5000), [1, 0]),
        (["1e3", "20"], ("20", "1e3"), [1, 0]),
    ],
)
def test_classes_are_the_labels_that_occur(labels: list[Any], names: tuple[str, ...], targets: list[int]) -> None:
    classes = classes_of(labels, name="x")
    assert (classes.names, classes.train.tolist(), classes.test.tolist()) == (names, targets, [])


def test_both_splits_have_one_numbering() -> None:
    classes = classes_of(["b", "c", "a"], ["c", "b"])
    assert (classes.train.tolist(), classes.test.tolist()) == ([1, 2, 0], [2, 1])


def test_declared_classes_keep_their_order_where_some_do_not_occur() -> None:
    classes = classes_of([2, 0], [0], declared=["zebra", "ape", "cat"])
    assert (classes.names, classes.train.tolist(), classes.test.tolist()) == (("zebra", "ape", "cat"), [2, 0], [0])


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert classes_of(["\x1b[31mred", "a\nb"]).names == ("\\x1b[31mred", "a\\nb")


@pytest.mark.parametrize(
    ("train", "test", "declared", "said"),
    [
        ([0, None], [], (), "x: sample 2 of the training split has no label"),
        ([0, math.nan], [], (), "x: sample 2 of the training split has no label"),
        (["a", "  "], [], (), "x: sample 2 of the training split has no label"),
        ([0, 1], [0, None], (), "x: sample 2 of the test split has no label"),
        ([[0], [1]], [], (), "x: sample 1 of the training split has a label of type list"),
        ([0, 1], [-1, -1], (), "x: the test split is not labelled .*: *--set|x: the test split is not labelled"),
        ([0, 1], [None, None], (), "x: the test split is not labelled .* --set data.options.test_split= splits"),
        ([0, 1], [0, -1], (), "x: samples of the test split are not labelled .* --set data.options.test_split="),
        (["a"], ["a", "b"], (), "x: no training sample is of class b, which the test split has"),
        ([0, 1], [-1], ("a", "b"), "x: the test split is not labelled"),
        ([0, 2], [], ("a", "b"), "x: sample 2 of the training split has the label 2; valid: 0 to 1"),
        ([0, -1], [], ("a", "b"), "x: sample 2 of the training split has the label -1; valid: 0 to 1"),
        (range(200_000), [], (), "x: the labels are 200000 different values .0, 1, 2, 3, 4 and 199995 more. in 200000"),
    ],
)
def test_labels_that_make_no_classes_are_one_short_line(train: Any, test: Any, declared: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        classes_of(train, test, "x", declared)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_minus_one_in_training_is_a_class() -> None:
    assert classes_of([-1, 1], [-1]).names == ("-1", "1")


def test_numbers_come_before_names() -> None:
    assert natural_order(["b", "10", "a", "-2", "9.5"]) == ["-2", "9.5", "10", "a", "b"]


def test_empty_classes_are_named() -> None:
    assert empty_classes(classes_of([0, 2], declared="abc").train, "abc") == ["b"]
