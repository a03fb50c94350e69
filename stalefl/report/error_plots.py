"""How far estimates of late updates were from the truth through training (the paper's Figure 5), as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stalefl.report.estimation import AS_THEY_ARE, window_errors
from stalefl.report.metrics import Record, Runs
from stalefl.report.plots import BLACK, STYLE, Line, columns_of, lines_of, save_figure

PANEL_INCHES = 3.6
MOST_BESIDE = 2
MOST_POINTS = 20
"""Of a line: errors of fewer rounds than that leaves to a point are hard to follow."""
NO_UPDATE = 1.0
"""The relative error of an update of zero."""


def estimating(runs: Runs) -> dict[str, Sequence[Sequence[Record]]]:
    """The methods whose estimates, or whose shadows', differ from the late updates as they are, with their seeds that
    had an oracle."""
    found = {
        method: [seed for seed in seeds if any(r.get("stale_error") for r in seed)] for method, seeds in runs.items()
    }
    return {method: seeds for method, seeds in found.items() if any(map(_differ, seeds))}


def draw_errors(runs: Runs, path: Path | str) -> None:
    """A panel for each of ``estimating(runs)``, of which there must be one: relative L1 errors over rounds, means over
    the late updates of a few rounds and over seeds, bands the sample standard deviation. Raises InputError if ``path``
    cannot be written."""
    panels = {method: _errors(method, seeds) for method, seeds in estimating(runs).items()}
    labels = list(
        dict.fromkeys(label for _, windows in panels.values() for values in windows.values() for label in values)
    )
    known = {**lines_of(labels[1:]), AS_THEY_ARE: (BLACK, "-")}
    lines: dict[str, Line] = {label: known[label] for label in labels}
    columns = min(MOST_BESIDE, len(panels))
    rows = -(-len(panels) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(PANEL_INCHES * columns, 2.6 * rows + 0.9), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (method, (length, windows)) in zip(grid.flat, panels.items(), strict=False):
            _draw_panel(axes, windows, length, lines)
            axes.set(title=f"{method} training", xlabel="Round", ylim=(0, None))
            axes.tick_params(labelbottom=True)
        for axes in grid.flat[len(panels) :]:
            axes.axis("off")
        several = max(map(len, runs.values())) > 1
        for axes in grid[:, 0]:
            axes.set_ylabel("Relative L1 error" + ("\nmean ± s.d. over seeds" if several else ""))
        handles = {str(line.get_label()): line for axes in grid.flat for line in axes.get_lines()}
        inches = PANEL_INCHES * columns
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns_of(list(handles), inches))
        save_figure(figure, path)


Windows = dict[int, dict[str, list[float]]]
"""Errors by a window's first round and kind of estimate, a value for each seed."""


def _errors(method: str, seeds: Sequence[Sequence[Record]]) -> tuple[int, Windows]:
    """The length of a window in rounds, and the errors in each."""
    last_round = max(record["round"] for seed in seeds for record in seed)
    length = -(-last_round // MOST_POINTS)
    return length, window_errors(seeds, method, length)


def _draw_panel(axes: Axes, windows: Windows, length: int, lines: Mapping[str, Line]) -> None:
    for label, (colour, dashes) in lines.items():
        points = [(first + (length - 1) / 2, values[label]) for first, values in windows.items() if label in values]
        if not points:
            continue
        rounds = [middle for middle, _ in points]
        means = np.array([np.mean(values) for _, values in points])
        spreads = np.array([np.std(values, ddof=1) if len(values) > 1 else 0.0 for _, values in points])
        width = 2.6 if label == AS_THEY_ARE else 1.3  # seen beside an estimate that is the same
        axes.plot(rounds, means, color=colour, linestyle=dashes, linewidth=width, marker=".", markersize=3, label=label)
        axes.fill_between(rounds, means - spreads, means + spreads, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(NO_UPDATE, color="#777777", linestyle=":", linewidth=1.2, zorder=1, label="no update at all")


def _differ(records: Sequence[Record]) -> bool:
    measured = [record for record in records if record.get("stale_error")]
    return any(r.get("shadows") or r["estimate_error"] != r["stale_error"] for r in measured)
