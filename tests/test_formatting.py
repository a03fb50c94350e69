from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from stalefl.contracts import LocalTraining
from stalefl.formatting import (
    class_words,
    duration,
    guarantee_in_words,
    printable,
    program_in_words,
    seconds_text,
    share_text,
    shortly,
)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ({"local_epochs": 1, "lr": 0.1}, "1 epoch, full batch, sgd with lr 0.1"),
        (
            {"local_epochs": 2, "lr": 0.01, "batch_size": 32, "momentum": 0.9, "nesterov": True},
            "2 epochs, batches of 32, sgd with lr 0.01, momentum 0.9, nesterov",
        ),
        (
            {"local_epochs": 5, "lr": 1e-3, "weight_decay": 1e-4, "proximal_mu": 0.5},
            "5 epochs, full batch, sgd with lr 0.001, weight decay 0.0001, proximal mu 0.5",
        ),
        (
            {"local_epochs": 1, "lr": 0.1, "optimizer": "adam", "momentum": 0.9, "nesterov": True},
            "1 epoch, full batch, adam with lr 0.1",
        ),
    ],
)
def test_a_local_program(program: dict[str, Any], said: str) -> None:
    plain = {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False, "proximal_mu": 0.0}
    assert program_in_words(asdict(LocalTraining(**{**plain, **program}))) == said


def test_a_guarantee() -> None:
    told = guarantee_in_words({"epsilon": 2.3456, "epsilon_replace": 5.0, "delta": 1e-5})
    assert told == (
        "one update is (epsilon 2.35, delta 1e-05)-differentially private against leaving the client out, "
        "(epsilon 5) against other data of its own"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (3600, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_seconds_and_shares_as_text() -> None:
    assert [seconds_text(value) for value in (None, 0.00123456, 12.34, 2809.9)] == ["–", "0.00123", "12.3", "2810"]
    assert [share_text(value) for value in (None, 0.0071, 2.19)] == ["–", "0.7 %", "219 %"]


def test_names_are_listed_shortly() -> None:
    assert shortly(["a", "b"]) == "a, b"
    assert shortly([str(k) for k in range(200_000)]) == "0, 1, 2, 3, 4 and 199995 more"
    assert shortly(["x" * 1000]) == "x" * 40 + "…"


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b[31m\nb ß") == "a\\x1b[31m\\nb ß"


def test_classes_are_named_where_their_names_are_not_their_numbers() -> None:
    assert class_words((0, 1), ("cat", "1")) == "classes 0 (cat), 1"
