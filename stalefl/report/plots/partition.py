"""The paper's Figure 7: which client holds how much of which class, and which clients are late."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from stalefl.report.plots.style import BLUE, STYLE, VERMILLION, legend_below, new_picture, shortened

Counts = NDArray[np.int64]
LATE_SHADE = "#fbe3d6"
# Columns must be as wide as the numbers of the clients below them.
CLIENTS_PER_PANEL, CLIENTS_PER_PANEL_FROM_3_DIGITS = 50, 40
NARROW_COLUMN_INCHES = 0.25
MOST_NAMED_ROWS, LONGEST_ROW_NAME = 40, 16
LEAST_DIAMETER = 0.1


def draw_partition_plot(
    counts: Counts,
    late_clients: Sequence[int],
    class_names: Sequence[str],
    affected_classes: Sequence[int],
    path: Path | str,
    title: str = "",
) -> None:
    """Draw ``counts`` [clients, classes] as bubbles, their area proportional to the samples held.

    Late clients have a shaded column and a coloured number, bubbles of the affected class a colour of their own; many
    clients are broken into several panels. The format follows ``path``'s ending (png, pdf, svg). Raises InputError
    if it cannot be written.
    """
    clients, classes = counts.shape
    digits = len(str(clients - 1))
    per_panel = CLIENTS_PER_PANEL if digits < 3 else CLIENTS_PER_PANEL_FROM_3_DIGITS
    panels = -(-clients // per_panel) if classes <= MOST_NAMED_ROWS else 1
    width = -(-clients // panels)
    column_inches = float(np.clip(9 / width, 0.17, 0.42))
    row_inches = min(column_inches, 0.3) if classes <= MOST_NAMED_ROWS else 0.14
    size = (max(width * column_inches + 1.6, 6.0), panels * (classes * row_inches + 0.6) + 1.0)
    with new_picture(path, size) as figure:
        for panel, axes in enumerate(figure.subplots(panels, 1, squeeze=False)[:, 0]):
            first, end = panel * width, min((panel + 1) * width, clients)
            late = [client for client in late_clients if first <= client < end]
            axes.set(xlim=(first - 0.6, first + width - 0.4), ylim=(classes - 0.4, -0.6), ylabel="Class")
            axes.grid(False)
            axes.hlines(range(classes), first - 0.6, end - 0.4, color="#ececec", linewidth=0.5, zorder=0)
            _mark_late(axes, late)
            _draw_bubbles(axes, counts, range(first, end), affected_classes, min(1.0, row_inches / column_inches))
            _name_clients(axes, range(first, end), late, column_inches, digits)
            _name_classes(axes, class_names, affected_classes)
            axes.tick_params(length=0)
        axes.set_xlabel("Client")
        legend_below(figure, _legend(counts, late_clients, affected_classes), 4)
        if title:
            figure.suptitle(title, fontsize=10)


def _draw_bubbles(axes: Axes, counts: Counts, clients: range, affected_classes: Sequence[int], greatest: float) -> None:
    """Diameters in columns; the largest holding of any client has the ``greatest``, and no holding is invisible."""
    held = np.argwhere(counts[clients.start : clients.stop] > 0) + np.array([clients.start, 0])
    relative = np.sqrt(counts[held[:, 0], held[:, 1]] / counts.max())
    diameters = 0.95 * greatest * np.maximum(relative, LEAST_DIAMETER)
    bubbles = EllipseCollection(
        *(diameters, diameters, np.zeros(len(held))),
        offsets=held,
        units="x",
        offset_transform=axes.transData,
        facecolors=[VERMILLION if label in affected_classes else BLUE for label in held[:, 1]],
        zorder=2,
    )
    axes.add_collection(bubbles)


def _mark_late(axes: Axes, late_clients: Sequence[int]) -> None:
    for client in late_clients:
        axes.axvspan(client - 0.5, client + 0.5, color=LATE_SHADE, linewidth=0, zorder=0)


def _name_clients(axes: Axes, clients: range, late: Sequence[int], column_inches: float, digits: int) -> None:
    """All clients, or where columns are narrow the late ones and every fifth that is not beside one of them."""
    others = [client for client in clients if client not in late]
    if column_inches <= NARROW_COLUMN_INCHES:
        others = [c for c in others if c % 5 == 0 and not {c - 1, c + 1} & set(late)]
    named = sorted([*late, *others])
    # Digits are 0.64 em wide, and a gap of a third of an em keeps neighbours apart.
    widest = column_inches * 72 / (0.64 * digits + 0.33)
    axes.set_xticks(named, list(map(str, named)), fontsize=min(STYLE["font.size"], widest))
    for client, name in zip(named, axes.get_xticklabels(), strict=True):
        if client in late:
            name.set(color=VERMILLION, fontweight="bold")


def _name_classes(axes: Axes, class_names: Sequence[str], affected_classes: Sequence[int]) -> None:
    """All classes, or where there are many every so many-th and the affected ones."""
    step = -(-len(class_names) // MOST_NAMED_ROWS)
    named = sorted({*range(0, len(class_names), step), *affected_classes})
    if step > 1:
        named = [
            label
            for label in named
            if label in affected_classes or min(abs(label - affected) for affected in affected_classes) >= step
        ]
    names = [class_names[label] for label in named]
    axes.set_yticks(named, [shortened(name, LONGEST_ROW_NAME) for name in names])
    for affected in affected_classes:
        axes.get_yticklabels()[named.index(affected)].set(color=VERMILLION, fontweight="bold")


def _legend(counts: Counts, late_clients: Sequence[int], affected_classes: Sequence[int]) -> list[Line2D | Patch]:
    def dot(colour: str, label: str) -> Line2D:
        return Line2D([], [], marker="o", linestyle="", color=colour, label=label)

    handles: list[Line2D | Patch] = [
        dot(VERMILLION, "affected class" if len(affected_classes) == 1 else "affected classes"),
        dot(BLUE, f"others; area: samples (largest {counts.max()})"),
    ]
    if late_clients:
        handles.append(Patch(facecolor=LATE_SHADE, label=f"late clients ({len(late_clients)})"))
    return handles
