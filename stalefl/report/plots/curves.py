"""Pictures for a paper: accuracy over rounds, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from stalefl.records.metrics import AFFECTED, OVERALL, WINDOW, Record, Runs, evaluated
from stalefl.report.plots.style import REFERENCE_LINE, Array, Line, legend_below, lines_of, new_picture

if TYPE_CHECKING:
    from torch import Tensor


PANELS = ((AFFECTED, "Affected class"), (OVERALL, "All classes"))
READABLE_ROUNDS = 100


def draw_curves(
    runs: Runs,
    path: Path | str,
    title: str = "",
    first_late_round: int | None = None,
    staleness_rounds: int | None = None,
    affected_classes: Sequence[int] = (),
) -> None:
    """Accuracy on the affected class and on all classes over rounds, one line per method.

    ``runs`` maps a method to the round records of its seeds. Lines are means over seeds, bands the sample standard
    deviation; runs of more than ``READABLE_ROUNDS`` evaluated rounds are drawn as trailing means, and say so. The
    format follows ``path``'s ending (png, pdf, svg). Raises InputError if it cannot be written.
    """
    window = window_of(runs)
    with new_picture(path, (7.2, 3.4)) as figure:
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        late_by = f" ({staleness_rounds} rounds late)" if staleness_rounds else ""
        for axes, (key, name) in zip((left, right), PANELS, strict=True):
            of_class = f" ({', '.join(map(str, affected_classes))})" if key == AFFECTED and affected_classes else ""
            draw_accuracy(axes, runs, key, f"{name}{of_class}", first_late_round, late_by)
        left.set_ylabel(accuracy_label(runs, window))
        handles, labels = left.get_legend_handles_labels()
        legend_below(figure, handles, _legend_columns(labels))
        if title:
            figure.suptitle(title, fontsize=10)


def draw_accuracy(
    axes: Axes, runs: Runs, key: str, title: str, first_late_round: int | None, late_by: str = ""
) -> None:
    """The accuracy ``key`` over rounds, a line for each method, and the round of the first late update."""
    lines, window = lines_of(list(runs)), window_of(runs)
    for method, seeds in runs.items():
        _draw_method(axes, seeds, key, window, lines[method], method)
    axes.set(title=title, xlabel="Round", ylim=(-0.02, 1.02))
    axes.margins(x=0.01)
    if first_late_round is not None:
        axes.axvline(first_late_round, **REFERENCE_LINE, label=f"first late update{late_by}")


def window_of(runs: Runs) -> int:
    """Over how many evaluated rounds curves are averaged: 1 unless there are too many to be read."""
    most_rounds = max((len(evaluated(seed, OVERALL)) for seeds in runs.values() for seed in seeds), default=0)
    return WINDOW if most_rounds > READABLE_ROUNDS else 1


def draw_confusion(confusion: Tensor, path: Path | str, class_names: Sequence[str] = (), title: str = "") -> None:
    """The confusion matrix [K, K] (rows the true class), shaded by the share of the true class.

    Raises InputError if ``path`` cannot be written.
    """
    counts = confusion.numpy()
    classes = len(counts)
    names = list(class_names) or [str(k) for k in range(classes)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(3.2, 0.42 * classes + 1.2), 12.0)
    with new_picture(path, (side, side), grid=False) as figure:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set(xlabel="Predicted class", ylabel="True class", title=title)
        axes.set_xticks(range(classes), names, rotation=90 if max(map(len, names)) > 2 else 0)
        axes.set_yticks(range(classes), names)
        if classes <= 20:
            for row, column in np.argwhere(counts > 0):
                colour = "white" if shares[row, column] > 0.5 else "black"
                text = str(counts[row, column])
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=6 if classes > 10 else 7)


def _draw_method(axes: Axes, seeds: Sequence[Sequence[Record]], key: str, window: int, line: Line, label: str) -> None:
    """One method's line, the mean over its seeds, with a band of one standard deviation."""
    rounds, values = _trailing_mean(*_common_rounds(seeds, key), window)
    colour, dashes = line
    mean = values.mean(axis=0)
    marker = "." if len(rounds) < 3 else ""
    axes.plot(rounds, mean, color=colour, linestyle=dashes, linewidth=1.3, marker=marker, label=label, zorder=3)
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
        axes.fill_between(rounds, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)


def _common_rounds(seeds: Sequence[Sequence[Record]], key: str) -> tuple[Array, Array]:
    """The rounds [R] in which every seed was evaluated, and the values [seeds, R]."""
    points = [dict(evaluated(records, key)) for records in seeds]
    rounds = sorted(set.intersection(*map(set, points))) if points else []
    values = np.array([[seed[round] for round in rounds] for seed in points]).reshape(len(points), len(rounds))
    return np.array(rounds), values


def _trailing_mean(rounds: Array, values: Array, window: int) -> tuple[Array, Array]:
    """Means over ``window`` evaluated rounds, at the last of them."""
    if window == 1 or len(rounds) < window:
        return rounds, values
    return rounds[window - 1 :], np.lib.stride_tricks.sliding_window_view(values, window, axis=1).mean(axis=2)


def _legend_columns(labels: Sequence[str]) -> int:
    """One row if it is about as wide as the figure at most."""
    return len(labels) if sum(len(label) + 7 for label in labels) <= 110 else 4


def accuracy_label(runs: Runs, window: int) -> str:
    """What the curves of ``runs``, by method and seed, are means of."""
    seeds = {len(records) for records in runs.values()}
    up_to = "up to " if len(seeds) > 1 else ""
    over_seeds = f"\nmean ± s.d. of {up_to}{max(seeds)} seeds" if max(seeds, default=0) > 1 else ""
    over_rounds = f"\ntrailing mean of {window} rounds" if window > 1 else ""
    return f"Accuracy{over_seeds}{over_rounds}"
