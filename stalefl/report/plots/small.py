"""Pictures of the page of ``stalefl report``: small enough that each is read on a phone, one beside the other on a
wider screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.records.metrics import Record
from stalefl.report.plots.curves import draw_method, window_of
from stalefl.report.plots.sample_panel import are_images, draw_sample, drawable
from stalefl.report.plots.style import BLUE, STYLE, columns_of, lines_of, save_figure

WIDTH_INCHES = 4.2
MOST_BARS = 40
MOST_SAMPLES = 6


def draw_panel(
    runs: Mapping[str, Sequence[Sequence[Record]]], key: str, title: str, path: Path, first_late_round: int | None
) -> None:
    """The accuracy ``key`` over rounds, one line per method: means over seeds, bands the sample standard deviation;
    trailing means where there are many rounds (``window_of``)."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 3.3), layout="constrained")
        axes, lines = figure.subplots(), lines_of(list(runs))
        for method, seeds in runs.items():
            draw_method(axes, seeds, key, window_of(runs), lines[method], method)
        if first_late_round is not None:
            label = "first late update"
            axes.axvline(first_late_round, color="#777777", linestyle=":", linewidth=1.2, zorder=1, label=label)
        axes.set(title=title, xlabel="Round", ylabel="Accuracy", ylim=(-0.02, 1.02))
        axes.margins(x=0.01)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=columns_of(labels, WIDTH_INCHES))
        save_figure(figure, path)


def draw_delays(delays: Sequence[int], path: Path) -> None:
    """A histogram of how many rounds late updates were."""
    least, most = min(delays), max(delays)
    width = math.ceil((most - least + 1) / MOST_BARS)
    edges = np.arange(least, most + width + 1, width) - 0.5
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.hist(delays, bins=list(edges), color=BLUE, rwidth=0.9)
        axes.set_axisbelow(True)
        axes.grid(axis="x", visible=False)
        axes.set(title="How late the updates were", xlabel="Rounds late", ylabel="Updates")
        save_figure(figure, path)


def draw_kept(recovered: Mapping[int, tuple[Tensor, Tensor]], spec: InputSpec, path: Path) -> None:
    """The first samples of each client's D_rec, inputs [M, *shape] and labels [M, K], a row for each client; above a
    sample its most likely class."""
    columns, rows = min(MOST_SAMPLES, max(len(labels) for _, labels in recovered.values())), len(recovered)
    with rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH_INCHES, 0.85 * rows + 0.1), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for row, (client, (inputs, labels)) in zip(grid, recovered.items(), strict=True):
            for axes, value, label in zip(row, drawable(inputs, spec), labels, strict=False):
                axes.set_title(_class_name(int(label.argmax()), spec), fontsize=8, pad=2)
                draw_sample(axes, value, spec)
            for axes in row[len(labels) :]:
                axes.axis("off")
            row[0].set_axis_on()
            row[0].set_ylabel(f"client {client}", fontsize=8)
            row[0].tick_params(bottom=not are_images(spec), left=not are_images(spec), labelbottom=False)
            row[0].tick_params(labelleft=False)
            for spine in row[0].spines.values():
                spine.set_visible(not are_images(spec))
        save_figure(figure, path)


def _class_name(label: int, spec: InputSpec) -> str:
    return spec.class_names[label] if spec.class_names else str(label)
