from __future__ import annotations

import pytest
from stalefl_tensorboard.scalars import scalars
from stalefl_tensorboard.settings import as_hyperparameters, as_text

from stalefl.testing import example_records


def test_every_figure_of_a_round_is_a_curve() -> None:
    found = scalars(example_records()[2])
    assert found["accuracy/overall"] == pytest.approx(0.6)
    assert found["accuracy/affected class"] == pytest.approx(0.4)
    assert found["loss/test"] == 1 / 3
    assert found["seconds/server"] == 1.5
    assert (found["updates/late"], found["updates/participants"], found["updates/rejected"]) == (1, 3, 0)
    assert found["relative L1 error/estimate"] == found["relative L1 error/late update"] == 0.5 / 3


def test_what_was_not_measured_is_left_out() -> None:
    first, second, _ = example_records()
    assert "relative L1 error/estimate" not in scalars(first)
    assert not {"accuracy/overall", "accuracy/affected class", "loss/test"} & set(scalars(second))


def test_each_class_has_a_curve_where_asked_for() -> None:
    found = scalars(example_records()[0], ("a", "b", "c"))
    assert (found["accuracy of/a"], round(found["accuracy of/c"], 3)) == (0.4, 0.2)
    assert "accuracy of/a" not in scalars(example_records()[1], ("a", "b", "c"))


def test_shadows_drift_and_what_methods_say() -> None:
    record = {
        **example_records()[2],
        "shadows": {"other": {"estimate_error": {"l1": 0.5, "cosine": 0.25}}, "idle": {"estimate_error": None}},
        "drift": {"replaced_share": 0.5, "before": {"accuracy": 0.75}, "after": {"accuracy": None}},
        "late_updates": [{"client": 1, "gamma": 0.5, "unique": True}, {"client": 2, "gamma": 1.0, "note": "text"}],
    }
    found = scalars(record)
    assert (found["relative L1 error/other"], found["cosine distance/other"]) == (0.5, 0.25)
    assert (found["drift/replaced share"], found["drift/accuracy before"]) == (0.5, 0.75)
    assert (found["method/gamma"], found["method/unique"]) == (0.75, 1.0)
    assert not {"relative L1 error/idle", "drift/accuracy after", "method/note", "method/client"} & set(found)


def test_settings_have_their_full_names() -> None:
    settings = {"training": {"lr": 0.1, "nesterov": False}, "method": {"options": {"size": "auto", "of": (1, 2)}}}
    settings |= {"audit": {"samples": 1}, "observers": {"names": ("tensorboard",)}}
    assert as_hyperparameters(settings) == {
        "training.lr": 0.1,
        "training.nesterov": False,
        "method.options.size": "auto",
        "method.options.of": "[1, 2]",
    }
    assert as_text({"training": {"lr": 0.1}}) == "```toml\n[training]\nlr = 0.1\n```"
