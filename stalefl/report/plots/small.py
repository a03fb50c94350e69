"""Pictures of the page of ``stalefl report``: small enough that each is read on a phone, one beside the other on a
wider screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.records.metrics import Runs
from stalefl.report.plots.curves import draw_accuracy
from stalefl.report.plots.sample_panel import are_images, draw_sample, drawable
from stalefl.report.plots.style import BLUE, columns_of, legend_below, new_picture

WIDTH_INCHES = 4.2
MOST_BARS = 40
MOST_SAMPLES_OF_CLIENT = 6


def draw_panel(runs: Runs, key: str, title: str, path: Path, first_late_round: int | None) -> None:
    """The accuracy ``key`` over rounds, one line per method: means over seeds, bands the sample standard deviation;
    trailing means where there are many rounds (``window_of``)."""
    with new_picture(path, (WIDTH_INCHES, 3.3)) as figure:
        axes = figure.subplots()
        draw_accuracy(axes, runs, key, title, first_late_round)
        axes.set_ylabel("Accuracy")
        handles, labels = axes.get_legend_handles_labels()
        legend_below(figure, handles, columns_of(labels, WIDTH_INCHES))


def draw_delays(delays: Sequence[int], path: Path) -> None:
    """A histogram of how many rounds late updates were."""
    least, most = min(delays), max(delays)
    width = math.ceil((most - least + 1) / MOST_BARS)
    edges = np.arange(least, most + width + 1, width) - 0.5
    with new_picture(path, (WIDTH_INCHES, 2.6)) as figure:
        axes = figure.subplots()
        axes.hist(delays, bins=list(edges), color=BLUE, rwidth=0.9)
        axes.set_axisbelow(True)
        axes.grid(axis="x", visible=False)
        axes.set(title="How late the updates were", xlabel="Rounds late", ylabel="Updates")


def draw_kept(recovered: Mapping[int, tuple[Tensor, Tensor]], spec: InputSpec, path: Path) -> None:
    """The first samples of each client's D_rec, inputs [M, *shape] and labels [M, K], a row for each client; above a
    sample its most likely class."""
    columns, rows = min(MOST_SAMPLES_OF_CLIENT, max(len(labels) for _, labels in recovered.values())), len(recovered)
    with new_picture(path, (WIDTH_INCHES, 0.85 * rows + 0.1), grid=False) as figure:
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


def _class_name(label: int, spec: InputSpec) -> str:
    return spec.class_names[label] if spec.class_names else str(label)
