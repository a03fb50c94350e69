from __future__ import annotations

import pytest

from stalefl.audit.conditions import Condition, parse_condition, unanswered, violations
from stalefl.contracts import InputError


@pytest.mark.parametrize("op", [">", ">=", "<", "<="])
def test_a_condition_is_read_and_written(op: str) -> None:
    found = parse_condition(f" psnr {op} 20.5 ")
    assert found == Condition("psnr", op, 20.5)
    assert parse_condition(str(found)) == found


def test_hyphens_are_taken_too() -> None:
    assert parse_condition("label-accuracy>=0.5").metric == "label_accuracy"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("psnr", "valid: METRIC, one of >, >=, <, <=, a number"),
        ("psnr=20", "valid: METRIC"),
        ("psnr>", "valid: METRIC"),
        ("pnsr>20", 'unknown metric "pnsr"; valid: psnr_median, psnr, '),
        ("psnr>20dB", '"20dB" is no number'),
        ("psnr>nan", '"nan" is no number'),
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        parse_condition(text)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_violations_name_cell_condition_and_value() -> None:
    cells = {"dlg, none": {"psnr": 31.0, "mse": 0.0}, "dlg, noise": {"psnr": 9.0, "mse": None}}
    conditions = [parse_condition("psnr>20"), parse_condition("mse<=0")]
    found = violations(cells, conditions)
    assert [(v.cell, v.condition.metric, v.value) for v in found] == [
        ("dlg, none", "psnr", 31.0),
        ("dlg, none", "mse", 0.0),
    ]
    assert str(found[0]) == "dlg, none: psnr is 31, which is psnr>20"


def test_the_bound_itself_counts_with_an_equals_sign_only() -> None:
    cells = {"cell": {"psnr": 20.0}}
    assert not violations(cells, [parse_condition("psnr>20"), parse_condition("psnr<20")])
    assert len(violations(cells, [parse_condition("psnr>=20"), parse_condition("psnr<=20")])) == 2


def test_a_condition_that_no_cell_can_answer_is_told() -> None:
    cells = {"a": {"psnr": None, "fid": None}, "b": {"psnr": 3.0}}
    conditions = [parse_condition("psnr>20"), parse_condition("fid<1")]
    assert unanswered(cells, conditions) == [conditions[1]]
