from __future__ import annotations

import pytest

from stalefl.audit.verdict import THRESHOLDS, beyond_chance, judge_inputs, judge_labels

FLOOR = {"psnr_median": 6.0, "classifier_accuracy": 0.1}
STRANGERS = {"psnr_median": 10.0}


def word(cell: dict[str, float | None], **references) -> str:
    return judge_inputs(
        {"pairs": 20, "clients": 20, **cell}, 10, **{"floor": FLOOR, "strangers": STRANGERS} | references
    ).word


def test_the_chance_of_so_many_successes() -> None:
    assert beyond_chance(1.0, 3, 0.5) == pytest.approx(0.125)
    assert beyond_chance(0.0, 3, 0.5) == pytest.approx(1.0)
    assert beyond_chance(2 / 3, 3, 0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({"psnr_median": 25.0}, "readable"),
        ({"psnr_median": 15.9}, "no better than noise"),
        ({"psnr_median": 16.0}, "traces"),
        ({"psnr_median": 16.0, "classifier_accuracy": 0.9, "classifier_accuracy_true": 0.95}, "readable"),
        # Recognised, but hardly nearer than strangers: its class, and no more.
        ({"psnr_median": 8.0, "classifier_accuracy": 0.9, "classifier_accuracy_true": 0.95}, "traces"),
        ({"psnr_median": 8.0, "classifier_accuracy": 0.5, "classifier_accuracy_true": 0.95}, "traces"),
        ({"psnr_median": 8.0, "classifier_accuracy": 0.15, "classifier_accuracy_true": 0.95}, "no better than noise"),
        # A classifier that recognises nothing shows nothing.
        ({"psnr_median": 8.0, "classifier_accuracy": 0.1, "classifier_accuracy_true": 0.1}, "no better than noise"),
        ({"psnr_median": 8.0, "own_nearer_share": 0.9}, "traces"),
        ({"psnr_median": 8.0, "own_nearer_share": 0.6}, "no better than noise"),
        ({"token_accuracy": 0.6}, "readable"),
        ({"pairs": 0}, "unknown"),
        ({"pairs": None}, "unknown"),
    ],
)
def test_verdicts_on_inputs(cell: dict[str, float | None], expected: str) -> None:
    assert word(cell) == expected


@pytest.mark.parametrize(
    ("recall", "count", "expected"),
    [(0.6, 80, "readable"), (0.4, 80, "traces"), (0.25, 80, "no better than noise"), (0.6, 5, "no better than noise")],
)
def test_tokens_count_where_strangers_have_fewer_of_them(recall: float, count: float, expected: str) -> None:
    cell = {"token_accuracy": 0.1, "token_recall": recall, "token_count": count}
    references = {"floor": {"token_recall": 0.02}, "strangers": {"token_recall": 0.2}}
    assert word(cell, **references) == expected
    assert word(cell, floor=None, strangers=None) == "no better than noise", "chance is not known"


def test_one_sample_recognised_is_no_proof() -> None:
    assert word({"pairs": 1, "classifier_accuracy": 1.0, "classifier_accuracy_true": 1.0}) == "no better than noise"


def test_a_classifier_that_sees_the_class_in_noise_proves_nothing() -> None:
    cell = {"classifier_accuracy": 1.0, "classifier_accuracy_true": 1.0}
    assert word(cell, floor={"classifier_accuracy": 1.0}) == "no better than noise"


def test_without_references_only_what_needs_none_is_judged() -> None:
    assert word({"psnr_median": 20.0}, floor=None, strangers=None) == "no better than noise"
    assert word({"psnr_median": 30.0}, floor=None, strangers=None) == "readable"


@pytest.mark.parametrize(
    ("psnr", "strangers", "clients", "expected"),
    [
        (27.8, 21.8, 7, "readable"),
        (27.7, 21.8, 7, "no better than noise"),
        (24.9, 10.0, 7, "traces"),
        (27.8, 21.8, 6, "traces"),
        (27.7, 21.8, 6, "too few to tell"),
    ],
)
def test_a_series_is_readable_only_above_strangers(psnr: float, strangers: float, clients: int, expected: str) -> None:
    cell, others = {"pairs": clients, "clients": clients, "psnr_median": psnr}, {"psnr_median": strangers}
    assert judge_inputs(cell, 10, FLOOR, others, images=False).word == expected
    assert judge_inputs(cell, 10, FLOOR, None, images=False).word != "readable", "strangers are not known"
    assert (judge_inputs(cell, 10, FLOOR, others).word == "readable") == (psnr >= 25), "an image can be seen"


def test_noise_nearer_than_strangers_is_what_counts() -> None:
    assert word({"psnr_median": 17.0}, floor={"psnr_median": 12.0}) == "no better than noise"


@pytest.mark.parametrize(
    ("accuracy", "guess", "samples", "expected"),
    [
        (1.0, 0.1, 8, "labels known"),
        (0.5, 0.1, 20, "partly"),
        (0.2, 0.1, 8, "no better than guessing"),
        (0.05, 0.1, 8, "no better than guessing"),
        (1.0, 0.1, 1, "too few to tell"),
        (0.0, 0.1, 1, "no better than guessing"),
        (1.0, 1.0, 50, "no better than guessing"),
        (None, None, 8, "unknown"),
    ],
)
def test_verdicts_on_labels(accuracy, guess, samples: float, expected: str) -> None:
    assert judge_labels({"label_accuracy": accuracy, "label_guess": guess, "samples": samples}).word == expected


def test_reasons_tell_the_figures() -> None:
    assert judge_inputs({"pairs": 3, "psnr_median": 31.25}, 10).reason == "median PSNR 31.2 dB"
    found = judge_labels({"label_accuracy": 0.9, "label_guess": 0.1, "samples": 10})
    assert found.reason == "90% of 10 labels, a guess would tell 10%"


def test_the_thresholds_are_told_in_words() -> None:
    text = " ".join(THRESHOLDS.in_words())
    for threshold in ("25 dB", "90%", "50%", "6 dB", "1%", "95%"):
        assert threshold in text
