from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.contracts import DataContext, Dataset, InputError
from stalefl.data.notices import tell_once
from stalefl.registry import load_registry

EXAMPLES = Path(__file__).parents[1] / "examples"
WIDE = "label,x1,y1,x2,y2\na,1,10,2,20\nb,3,30,4,40\na,5,50,6,60\nb,7,70,8,80\n"
LONG = "series,label,t,x\ns1,a,2,12\ns1,a,1,11\ns2,b,1,21\ns2,b,2,22\ns3,a,1,31\ns3,a,2,32\ns4,b,1,41\ns4,b,2,42\n"


@pytest.fixture(autouse=True)
def everything_is_told_anew(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="stalefl")
    tell_once.cache_clear()


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Reads a text as csv-series would read a file of it."""

    def read(text: str, **options: Any) -> Dataset:
        (tmp_path / "file.csv").write_text(text)
        plugin = load_registry().create("dataset", "csv-series:file.csv", {"test_fraction": 0.5, **options})
        dataset: Dataset = plugin.load(DataContext(tmp_path))
        return dataset

    return read


def by_first_value(dataset: Dataset) -> list[Any]:
    """All series as they were stored, with their classes."""
    raw = torch.cat([dataset.train.raw, dataset.test.raw])
    targets = torch.cat([dataset.train.targets, dataset.test.targets])
    return sorted(zip(raw.tolist(), targets.tolist(), strict=True))


def test_a_wide_row_goes_step_by_step(load: Any) -> None:
    dataset = load(WIDE, channels=2)
    assert (dataset.name, dataset.spec.class_names) == ("csv-series:file.csv", ("a", "b"))
    assert dataset.spec.channel_names == ("x", "y")
    assert by_first_value(dataset)[:2] == [([[1, 2], [10, 20]], 0), ([[3, 4], [30, 40]], 1)]


def test_a_wide_row_goes_channel_by_channel(load: Any) -> None:
    dataset = load(WIDE, channels=2, order="channel")
    assert by_first_value(dataset)[0] == ([[1, 10], [2, 20]], 0)
    assert dataset.spec.channel_names == ("x1", "x2")


def test_columns_may_be_chosen_and_ordered(load: Any) -> None:
    assert by_first_value(load(WIDE, columns=["x2", "x1"]))[0] == ([[2, 1]], 0)


def test_long_rows_are_sorted_by_time_within_their_series(load: Any) -> None:
    assert by_first_value(load(LONG, layout="long", time="t"))[:2] == [([[11, 12]], 0), ([[21, 22]], 1)]


def test_long_rows_stay_as_they_come_without_a_time(load: Any) -> None:
    assert by_first_value(load(LONG, layout="long", columns=["x"]))[0] == ([[12, 11]], 0)


@pytest.mark.parametrize("name", ["t", "Time", "STEP", "timestamp"])
def test_a_time_that_becomes_a_channel_is_told_of(name: str, load: Any, caplog: pytest.LogCaptureFixture) -> None:
    text = LONG.replace("label,t,", f"label,{name},")
    with caplog.at_level(logging.WARNING, logger="stalefl"):
        load(text, layout="long", time=name)
        load(text, layout="long", columns=[name, "x"])
        assert not caplog.records
        assert load(text, layout="long").spec.shape == (2, 2)
    assert f'file.csv: column {name} is read as a channel; to sort by it: option time = "{name}"' in caplog.text


def test_both_examples_hold_the_same_series() -> None:
    context = DataContext(EXAMPLES)
    wide, long = (
        load_registry().create("dataset", f"csv-series:{name}", options).load(context)
        for name, options in [
            ("gestures-wide.csv", {"channels": 2}),
            ("gestures-long.csv", {"layout": "long", "time": "time"}),
        ]
    )
    assert torch.equal(wide.train.raw, long.train.raw)
    assert (wide.spec, wide.spec.shape) == (long.spec, (2, 8))


def test_a_column_may_tell_the_split(load: Any) -> None:
    text = "part,label,v1,v2\ntest,a,1,2\ntrain,a,3,4\ntrain,b,5,6\ntest,b,7,8\n"
    dataset = load(text, split="part")
    assert (dataset.train.raw.tolist(), dataset.test.raw.tolist()) == ([[[3, 4]], [[5, 6]]], [[[1, 2]], [[7, 8]]])


def test_empty_cells_at_the_end_make_a_series_shorter(load: Any) -> None:
    text = "label,x1,y1,x2,y2\na,1,10,2,20\nb,3,30,,\na,5,50,6\n"
    with pytest.raises(InputError, match="line 4, column y2: empty; valid: a value in every row"):
        load(text, channels=2)
    text = text.replace("a,5,50,6\n", "a,5,50\nb,7,70,8,80\n")
    assert by_first_value(load(text, channels=2, unequal="pad"))[1] == ([[3, 3], [30, 30]], 1)


def test_series_of_unequal_length_are_an_error_unless_said_what_to_do(load: Any) -> None:
    text = LONG + "s4,b,3,43\n"
    with pytest.raises(InputError, match=r"^csv-series: \S*file.csv: series s4 has 3 steps, series s1 has 2; valid: "):
        load(text, layout="long", time="t")
    dataset = load(text, layout="long", time="t", unequal="resample", length=3)
    assert by_first_value(dataset)[0] == ([[11, 11.5, 12]], 0)


def test_other_delimiters_and_a_spreadsheets_mark(load: Any) -> None:
    assert load("\ufeff" + WIDE.replace(",", ";"), delimiter=";", channels=2).spec.shape == (2, 2)


def test_delimiter_and_decimal_comma_are_found(load: Any) -> None:
    text = "label;x1;x2\nslow;0,5;1\nfast;1,25;2\nslow;3;4\nfast;5;-6,5\n"
    for options in ({}, {"delimiter": ";"}, {"decimal": ","}):
        assert by_first_value(load(text, **options))[:2] == [([[0.5, 1]], 1), ([[1.25, 2]], 0)]
    with pytest.raises(InputError, match="line 2: 2 cells, but the header names 1 columns; .* the option delimiter"):
        load("label;x1\na;1,5\n", delimiter=",")


def test_labels_are_in_natural_order(load: Any) -> None:
    rows = "".join(f"{label},1,{k}\n" for k, label in enumerate(["10.0", "2.0", "NA", "true"] * 2))
    assert load("label,x,y\n" + rows).spec.class_names == ("2", "10", "NA", "true")


def test_the_numbers_of_pandas_rows_are_no_values(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert by_first_value(load(",label,x\n0,a,5\n1,b,6\n2,a,7\n3,b,8\n"))[0] == ([[5]], 0)
    assert "a column without a name is left out" in caplog.text


def test_uneven_times_are_interpolated_at_even_times(load: Any) -> None:
    text = "series,label,t,x\n" + "".join(
        f"{name},{label},{time},{time}\n" for name, label in ("pa", "qb", "ra", "sb") for time in (0, 10, 1, 2)
    )
    dataset = load(text, layout="long", time="t", unequal="resample", length=6)
    assert dataset.train.raw.tolist() == [[[0, 2, 4, 6, 8, 10]]] * 2


def test_times_may_be_iso(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    times = ["2024-01-31T23:59:59Z", "2024-02-01T00:00:00.000Z", "2024-02-01 00:00:03"]
    text = "series,label,time,x\n" + "".join(
        f"{name},{label},{times[k]},{k}\n" for name, label in ("pa", "qb", "ra", "sb") for k in (2, 0, 1)
    )
    assert load(text, layout="long", time="time").train.raw.tolist() == [[[0, 1, 2]]] * 2
    assert "the times of series p are not even" in caplog.text
    dataset = load(text, layout="long", time="time", unequal="resample", length=5)
    assert dataset.train.raw[0, 0].tolist() == pytest.approx([0, 1, 4 / 3, 5 / 3, 2])


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (("1", "1"), 'series p has two steps at one time; valid: one, for unequal = "resample"'),
        (("1", "2024-01-01"), "line 3, column t: a number here, a time of ISO 8601 elsewhere|line 3, column t: "),
        (("1", "noon"), 'line 3, column t: "noon" is no time; valid: a number, or as 2024-05-31T12:30:00'),
    ],
)
def test_times_that_make_no_order_are_refused(load: Any, times: tuple[str, str], said: str) -> None:
    rows = "".join(f"{name},{label},{time},1\n" for name, label in ("pa", "qb", "ra", "sb") for time in times)
    with pytest.raises(InputError, match=said):
        load("series,label,t,x\n" + rows, layout="long", time="t", unequal="resample")


def test_a_test_split_without_labels_is_told_of(load: Any) -> None:
    with pytest.raises(InputError, match="test split is not labelled .*; without the option split a share"):
        load("part,label,x\ntrain,0,1\ntrain,1,2\ntest,-1,3\n", split="part")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "file.csv is empty; valid: a header and at least one row"),
        ("label,x\n", {}, "file.csv is empty"),
        ("class,x\na,1\n", {}, 'has no column "label"; name another with the option label; valid: class, x'),
        (WIDE, {"columns": ["x1", "x3"]}, 'no column "x3"; name another with the option columns; valid: label, x1'),
        ("label\na\n", {}, "0 columns of values do not make series of 1 channels"),
        (WIDE, {"channels": 3}, "4 columns of values do not make series of 3 channels; valid: a multiple of 3"),
        ("label,x,x\na,1,2\n", {}, 'file.csv has the column "x" twice'),
        ("label,x,y\na,1,2\nb,1,two\n", {}, 'file.csv, line 3, column y: "two" is not a number'),
        ("label,x,y\na,1,2\nb,nan,2\n", {}, 'file.csv, line 3, column x: "nan" is not a number'),
        ("label,x,y\na,1,2\n,1,2\n", {}, "file.csv, line 3, column label: empty"),
        ("label,x,y\na,,\n", {}, "file.csv, line 2: a series without values"),
        ("label,x,y\na,1,2,3\n", {}, "file.csv, line 2: 4 cells, but the header names 3 columns"),
        ("label,x,y\na,1,2\na,1,3\nb,1,2\n", {}, "file.csv: class b has one series only"),
        (LONG, {"layout": "long", "series": "id"}, 'has no column "id"; name another with the option series'),
        (WIDE, {"layout": "long"}, 'no column "series"; name another with the option series; or, if a row is a series'),
        (WIDE, {"layout": "long"}, 'if a row is a series: layout = "wide"; valid: label, x1'),
        (LONG, {"layout": "long", "time": "when"}, 'no column "when"; name another with the option time'),
        (LONG, {}, '"s1" is not a number; or, if a row is one time step: layout = "long"'),
        (
            LONG.replace("series", "id"),
            {"channels": 2},
            'other channels; or, if a row is one time step: layout = "long"',
        ),
        (LONG + "s4,a,3,43\n", {"layout": "long"}, 'line 10, column label: "a", but series s4 has "b" before'),
        (LONG + "s4,b,3\n", {"layout": "long"}, "line 10, column x: empty"),
        (WIDE, {"split": "part"}, 'file.csv has no column "part"'),
        ("part,label,x,y\ndev,a,1,2\n", {"split": "part"}, 'line 2, column part: "dev"; valid: train or test'),
        (
            "part,label,x,y\ntrain,a,1,2\ntest,b,1,2\n",
            {"split": "part"},
            "file.csv: no training sample is of class b, which the test split has; valid: every class in the training",
        ),
        (
            "part,label,x,y\ntrain,a,1,2\ntrain,b,1,2\n",
            {"split": "part"},
            "file.csv: no series is in the split test; valid: train or test in column part",
        ),
    ],
)
def test_bad_files_are_one_line_that_says_where(text: str, options: dict[str, Any], message: str, load: Any) -> None:
    with pytest.raises(InputError) as caught:
        load(text, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_name(tmp_path: Path) -> None:
    cases = {"csv-series": "name a file", "csv-series:no.csv": "no file no.csv, neither as given nor in"}
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            load_registry().create("dataset", name).load(DataContext(tmp_path))
