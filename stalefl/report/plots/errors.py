"""How far estimates of late updates were from the truth through training (the paper's Figure 5), as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from stalefl.records.estimates import AS_THEY_ARE, estimates_nothing, estimating, estimations
from stalefl.records.metrics import Record, Runs
from stalefl.report.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    INDIGO,
    LINES,
    ORANGE,
    PURPLE,
    REFERENCE_LINE,
    SKY,
    VERMILLION,
    Line,
    columns_of,
    legend_below,
    new_picture,
)

PANEL_INCHES = 3.6
MOST_BESIDE = 2
MOST_POINTS = 20
"""Of a line: errors of fewer rounds than that leaves to a point are hard to follow."""
NO_UPDATE = 1.0
"""The relative error of an update of zero."""
ESTIMATE_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INDIGO)


class Point(NamedTuple):
    """Errors of the late updates of a few rounds, of each seed, at the mean of these rounds."""

    round: float
    errors: Sequence[float]


class Panel(NamedTuple):
    """The lines of one method that trains, by kind of estimate, and how many rounds a point stands for."""

    lines: Mapping[str, Sequence[Point]]
    rounds_each: int


def draw_errors(runs: Runs, path: Path | str) -> None:
    """A panel for each of ``estimating(runs)``, of which there must be one: relative L1 errors over rounds, means over
    the late updates of a few rounds and over seeds, bands from the least to the greatest of the seeds. Raises
    InputError if ``path`` cannot be written."""
    shown = estimating(runs)
    panels = {method: _panel(method, seeds) for method, seeds in shown.items()}
    styles = _styles(list(dict.fromkeys(label for panel in panels.values() for label in panel.lines)))
    columns = min(MOST_BESIDE, len(panels))
    rows = -(-len(panels) // columns)
    inches = PANEL_INCHES * columns
    with new_picture(path, (inches, 2.6 * rows + 0.9)) as figure:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (method, panel) in zip(grid.flat, panels.items(), strict=False):
            _draw_panel(axes, panel.lines, styles)
            axes.set(title=f"{method} training", xlabel="Round")
        for axes in grid.flat[len(panels) :]:
            axes.axis("off")
        for axes in grid[:, 0]:
            axes.set_ylabel("\n".join(_label(shown, panels)))
        handles = {str(line.get_label()): line for axes in grid.flat for line in axes.get_lines()}
        legend_below(figure, list(handles.values()), columns_of(list(handles), inches))


def _label(shown: Runs, panels: Mapping[str, Panel]) -> list[str]:
    seeds, rounds = max(map(len, shown.values())), max(panel.rounds_each for panel in panels.values())
    over = [f"means over {rounds} rounds"] * (rounds > 1) + [f"mean and range of {seeds} seeds"] * (seeds > 1)
    return ["Relative L1 error", *over]


def _panel(method: str, seeds: Sequence[Sequence[Record]]) -> Panel:
    measured = [[record for record in seed if record.get("stale_error")] for seed in seeds]
    rounds = [record["round"] for seed in measured for record in seed]
    first, last = min(rounds), max(rounds)
    rounds_each = -(-(last - first + 1) // MOST_POINTS)
    lines: dict[str, list[Point]] = {}
    for start in range(first, last + 1, rounds_each):
        part = [[r for r in seed if start <= r["round"] < start + rounds_each] for seed in measured]
        errors: dict[str, list[float]] = {}
        for row in (row for records in part for row in estimations(records, method)):
            errors.setdefault(row.label, []).append(row.l1)
        for label, values in errors.items():
            middle = statistics.fmean(record["round"] for records in part for record in records)
            lines.setdefault(label, []).append(Point(middle, values))
    if all(estimates_nothing(estimations(seed, method)) for seed in seeds):
        del lines[method]
    return Panel(lines, rounds_each)


def _styles(labels: Sequence[str]) -> dict[str, Line]:
    """Built-in methods have the colours of all pictures, other labels those that are left, as long as there are."""
    styles = {label: LINES[label] for label in labels if label in LINES} | {AS_THEY_ARE: (BLACK, "-")}
    taken = [colour for colour, _ in styles.values()]
    left = [colour for colour in ESTIMATE_COLOURS if colour not in taken]
    others = [label for label in labels if label not in styles]
    free = [(colour, dashes) for dashes in ("-", "--", ":") for colour in (left if dashes == "-" else ESTIMATE_COLOURS)]
    return {**styles, **{label: free[number % len(free)] for number, label in enumerate(others)}}


def _draw_panel(axes: Axes, lines: Mapping[str, Sequence[Point]], styles: Mapping[str, Line]) -> None:
    for label, points in lines.items():
        colour, dashes = styles[label]
        rounds = [point.round for point in points]
        means = [statistics.fmean(point.errors) for point in points]
        axes.plot(rounds, means, color=colour, linestyle=dashes, linewidth=1.3, marker=".", markersize=3, label=label)
        low, high = [min(point.errors) for point in points], [max(point.errors) for point in points]
        axes.fill_between(rounds, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(NO_UPDATE, **REFERENCE_LINE, label="no update at all")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(labelbottom=True)
