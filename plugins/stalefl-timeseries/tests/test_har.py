from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stalefl.contracts import DataContext, Dataset, InputError
from stalefl.registry import load_registry

FILES = {
    "activity_labels.txt": "1 WALKING\n2 LYING DOWN\n",
    "train/y_train.txt": "1\n2\n1\n",
    "train/Inertial Signals/gyro_x_train.txt": " 1.0e+00 2.0e+00\n 3 4\n 5 6\n",
    "train/Inertial Signals/acc_x_train.txt": "-1 -2\n-3 -4\n-5 -6\n",
    "test/y_test.txt": "2\n1\n",
    "test/Inertial Signals/gyro_x_test.txt": "3 3\n4 4\n",
    "test/Inertial Signals/acc_x_test.txt": "-3 -3\n-4 -4\n",
}


def load(tmp_path: Path, changes: dict[str, str | None] | None = None, **options: Any) -> Dataset:
    for name, text in {**FILES, **(changes or {})}.items():
        path = tmp_path / "har" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
    dataset: Dataset = load_registry().create("dataset", "har-windows:har", options).load(DataContext(tmp_path))
    return dataset


def test_every_signal_is_a_channel_by_name(tmp_path: Path) -> None:
    dataset = load(tmp_path)
    assert (dataset.spec.shape, dataset.spec.class_names) == ((2, 2), ("WALKING", "LYING DOWN"))
    assert dataset.train.raw[1].tolist() == [[-3, -4], [3, 4]]
    assert (dataset.train.targets.tolist(), dataset.test.targets.tolist()) == ([0, 1, 0], [1, 0])


def test_signals_may_be_chosen(tmp_path: Path) -> None:
    assert load(tmp_path, signals=["gyro_x"]).train.raw[1].tolist() == [[3, 4]]


def test_without_names_classes_are_numbers(tmp_path: Path) -> None:
    assert load(tmp_path, {"activity_labels.txt": None}).spec.class_names == ("1", "2")


def test_classes_may_be_as_numpy_writes_them(tmp_path: Path) -> None:
    lines = "1.000000000000000000e+00\n2.000000000000000000e+00\n1.000000000000000000e+00\n"
    assert load(tmp_path, {"train/y_train.txt": lines}).train.targets.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train/y_train.txt": "1\n2\n"}, "acc_x_train.txt has 3 windows, y_train.txt 2 labels; valid: as many"),
        ({"train/y_train.txt": ""}, "y_train.txt is empty"),
        ({"train/y_train.txt": None}, "y_train.txt cannot be read"),
        ({"train/y_train.txt": "1\nwalk\n1\n"}, 'y_train.txt, line 2: "walk" is not a class; valid: a whole number'),
        ({"train/y_train.txt": "1\n3\n2\n"}, "activity_labels.txt does not name class 3"),
        ({"train/y_train.txt": "1\n1\n1\n"}, "no series of class LYING DOWN in the training split"),
        ({"activity_labels.txt": "1 W\n2 L\n3 S\n"}, "no series of class S in the training split"),
        ({"test/y_test.txt": "1\n1\n"}, "no series of class LYING DOWN in the test split"),
        (
            {"train/Inertial Signals/gyro_x_train.txt": "1 2\n3\n5 6\n"},
            "gyro_x_train.txt, line 2: a window of 1 steps, the first has 2",
        ),
        (
            {"train/Inertial Signals/gyro_x_train.txt": "1 2\n3 x\n5 6\n"},
            'gyro_x_train.txt, line 2, column 2: "x" is not a number',
        ),
        (
            {"train/Inertial Signals/gyro_x_train.txt": "1 2 3\n1 2 3\n1 2 3\n"},
            "gyro_x_train.txt: windows of 3 steps, acc_x has 2",
        ),
        ({"test/Inertial Signals/acc_x_test.txt": None}, "acc_x_test.txt cannot be read"),
        (
            {f"test/Inertial Signals/{name}_test.txt": "1 2 3\n1 2 3\n" for name in ("acc_x", "gyro_x")},
            "windows of 2 steps in train, of 3 in test",
        ),
    ],
)
def test_bad_folders_are_one_line_that_says_where(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_or_has_no_signals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder .*UCI HAR Dataset; name another with --data-dir"):
        load_registry().create("dataset", "har-windows").load(DataContext(tmp_path))
    (tmp_path / "har" / "train").mkdir(parents=True)
    with pytest.raises(InputError, match="no signals in .*Inertial Signals; valid: files named SIGNAL_train.txt"):
        load_registry().create("dataset", "har-windows:har").load(DataContext(tmp_path))
