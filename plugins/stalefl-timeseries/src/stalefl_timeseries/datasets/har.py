"""har-windows: folders in the layout of the UCI HAR data set, windows of motion sensors cut to one length.

Source: Anguita et al., "A Public Domain Dataset for Human Activity Recognition Using Smartphones", ESANN 2013: 10,299
windows of 128 steps (2.56 s at 50 Hz), nine signals, six activities of 30 persons, split by person.

    FOLDER/activity_labels.txt                     number and name, a line for each class (may be missing)
    FOLDER/train/y_train.txt                       a class for each window, a line each
    FOLDER/train/Inertial Signals/SIGNAL_train.txt a window for each line, values between blanks
    FOLDER/test/...                                the same, with _test

All files of ``Inertial Signals`` are channels, by name, unless ``signals`` names some.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options
from stalefl.data.tables import text_lines
from stalefl.formatting import printable
from stalefl_timeseries.series import Array, series_dataset

SIGNALS = "Inertial Signals"


class HarWindowsOptions(Options):
    source: str = Field("UCI HAR Dataset", description="the folder; a relative one is looked up in the data folder")
    signals: tuple[str, ...] = Field(
        (), strict=False, description="the signals to read, as body_acc_x, in order; default: all, by name"
    )


class HarWindows(DatasetPlugin):
    summary = "windows of motion sensors in the layout of UCI HAR: 9 signals of 128 steps; har-windows:FOLDER"
    paper = "Anguita et al., Human Activity Recognition Using Smartphones, ESANN 2013"
    Options = HarWindowsOptions
    options: HarWindowsOptions

    def load(self, context: DataContext) -> Dataset:
        folder = context.data_dir / Path(self.options.source).expanduser()
        if not folder.is_dir():
            raise InputError(f"har-windows: no folder {folder}; name another with --data-dir, or as har-windows:FOLDER")
        signals = self.options.signals or _signals(folder)
        (train, train_labels), (test, test_labels) = (_split(folder, part, signals) for part in ("train", "test"))
        if train.shape[2] != test.shape[2]:
            raise InputError(f"{folder}: windows of {train.shape[2]} steps in train, of {test.shape[2]} in test")
        numbers, names = _classes(folder, [*train_labels, *test_labels])
        targets = (torch.tensor([numbers.index(label) for label in part]) for part in (train_labels, test_labels))
        splits = zip((train, test), targets, strict=True)
        return series_dataset(f"har-windows:{self.options.source}", *splits, names, signals)


def _signals(folder: Path) -> tuple[str, ...]:
    place = folder / "train" / SIGNALS
    if found := sorted(path.stem.removesuffix("_train") for path in place.glob("*_train.txt")):
        return tuple(found)
    raise InputError(f"no signals in {place}; valid: files named SIGNAL_train.txt")


def _split(folder: Path, part: str, signals: Sequence[str]) -> tuple[Array, list[int]]:
    """Windows [N, C, L] and the class of each."""
    labels = [_class_number(*each) for each in _lines(folder / part / f"y_{part}.txt")]
    channels = []
    for signal in signals:
        path = folder / part / SIGNALS / f"{signal}_{part}.txt"
        windows = np.array(_windows(path), dtype=np.float32)
        if len(windows) != len(labels):
            raise InputError(f"{path} has {len(windows)} windows, y_{part}.txt {len(labels)} labels; valid: as many")
        if channels and windows.shape != channels[0].shape:
            raise InputError(f"{path}: windows of {windows.shape[1]} steps, {signals[0]} has {channels[0].shape[1]}")
        channels.append(windows)
    return np.stack(channels, axis=1), labels


def _windows(path: Path) -> list[list[float]]:
    windows: list[list[float]] = []
    for where, text in _lines(path):
        windows.append(_numbers(where, text))
        if len(windows[-1]) != len(windows[0]):
            raise InputError(f"{where}: a window of {len(windows[-1])} steps, the first has {len(windows[0])}")
    return windows


def _numbers(where: str, text: str) -> list[float]:
    cells = text.split()
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        values = [np.nan] * len(cells)
    if not np.isfinite(values).all():
        column = next(k for k, cell in enumerate(cells, start=1) if not _is_finite(cell))
        raise InputError(f'{where}, column {column}: "{cells[column - 1]}" is not a number')
    return values


def _is_finite(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _lines(path: Path) -> list[tuple[str, str]]:
    """Where each line stands, and the line; blank ones are left out. Raises InputError if there is none."""
    lines = enumerate(text_lines(path), start=1)
    if found := [(f"{path}, line {number}", line) for number, line in lines if line.strip()]:
        return found
    raise InputError(f"{path} is empty; valid: a line for each window")


def _class_number(where: str, text: str) -> int:
    with suppress(ValueError, OverflowError):
        if (number := float(text)).is_integer():  # numpy writes 1 as 1.000000000000000000e+00
            return int(number)
    raise InputError(f'{where}: "{text.strip()[:40]}" is not a class; valid: a whole number')


def _classes(folder: Path, labels: Sequence[int]) -> tuple[list[int], list[str]]:
    """The numbers of the classes and their names: those of ``activity_labels.txt`` if it is there."""
    path, held = folder / "activity_labels.txt", sorted(set(labels))
    if not path.is_file():
        return held, [str(number) for number in held]
    named: dict[int, str] = {}
    for where, text in _lines(path):
        number, _, name = text.strip().partition(" ")
        named[_class_number(where, number)] = printable(name.strip()) or number
    if unnamed := [number for number in held if number not in named]:
        raise InputError(f"{path} does not name class {unnamed[0]}, which windows have; valid: a line for every class")
    return list(named), list(named.values())
