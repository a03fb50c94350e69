"""Pictures for a paper: accuracy over rounds, and the confusion matrix. Drawn without pyplot, so nothing is global."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stalefl.records.metrics import AFFECTED, OVERALL, WINDOW, Record, evaluated
from stalefl.report.plots.style import STYLE, Array, Line, lines_of, save_figure

if TYPE_CHECKING:
    from torch import Tensor


PANELS = ((AFFECTED, "Affected class"), (OVERALL, "All classes"))
READABLE_ROUNDS = 100


def draw_curves(
    runs: Mapping[str, Sequence[Sequence[Record]]],
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
    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        lines = lines_of(list(runs))
        window = window_of(runs)
        for axes, (key, name) in zip((left, right), PANELS, strict=True):
            for method, seeds in runs.items():
                draw_method(axes, seeds, key, window, lines[method], method)
            of_class = f" ({', '.join(map(str, affected_classes))})" if key == AFFECTED and affected_classes else ""
            axes.set(title=f"{name}{of_class}", xlabel="Round", ylim=(-0.02, 1.02))
            axes.margins(x=0.01)
            if first_late_round is not None:
                late_by = f" ({staleness_rounds} rounds late)" if staleness_rounds else ""
                label = f"first late update{late_by}"
                axes.axvline(first_late_round, color="#777777", linestyle=":", linewidth=1.2, zorder=1, label=label)
        left.set_ylabel(accuracy_label(runs, window))
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=_legend_columns(labels))
        if title:
            figure.suptitle(title, fontsize=10)
        save_figure(figure, path)


def window_of(runs: Mapping[str, Sequence[Sequence[Record]]]) -> int:
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
    with rc_context({**STYLE, "axes.grid": False}):
        side = min(max(3.2, 0.42 * classes + 1.2), 12.0)
        figure = Figure(figsize=(side, side), layout="constrained")
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
        save_figure(figure, path)


def draw_method(axes: Axes, seeds: Sequence[Sequence[Record]], key: str, window: int, line: Line, label: str) -> None:
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


def accuracy_label(runs: Mapping[str, Sequence[Sequence[Record]]], window: int) -> str:
    """What the curves of ``runs``, by method and seed, are means of."""
    seeds = {len(records) for records in runs.values()}
    up_to = "up to " if len(seeds) > 1 else ""
    over_seeds = f"\nmean ± s.d. of {up_to}{max(seeds)} seeds" if max(seeds, default=0) > 1 else ""
    over_rounds = f"\ntrailing mean of {window} rounds" if window > 1 else ""
    return f"Accuracy{over_seeds}{over_rounds}"
