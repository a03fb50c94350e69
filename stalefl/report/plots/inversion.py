"""What an inversion found: the recovered samples, and the paper's Figure 3 beside loss and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.report.plots.sample_panel import are_images, cell_size, curve_key, draw_sample, drawable
from stalefl.report.plots.style import BLUE, ORANGE, VERMILLION, Array, new_picture, shortened

MOST_SAMPLES, MOST_TEXT_COLUMNS = 64, 4
MOST_NAMED_BARS = 20
LONGEST_CLASS_NAME = 12
LEVELS, MOST_DECADES = 16, 3
SURFACE_KEY = (
    "●: the weights that the client was given   ✕: after its training   "
    "arrow: direction against the gradient (projected)"
)
DISPARITIES = {"l2": "relative squared L2", "l1": "relative L1", "cosine": "cosine distance"}


class SurfaceLike(Protocol):
    """Losses [n, n] at y (rows) and x (columns) of ``ticks`` [n]; ``descent`` is where the negative gradient leads."""

    @property
    def ticks(self) -> Tensor: ...
    @property
    def losses(self) -> Tensor: ...
    @property
    def descent(self) -> tuple[float, float]: ...


def draw_recovered(
    inputs: Tensor | Sequence[str], labels: Tensor, spec: InputSpec, path: Path | str, title: str = ""
) -> None:
    """The first samples of D_rec, inputs [M, *shape] or M texts, with labels [M, K]; above each its class and how sure
    that is.

    Pixels are drawn as images on the scale of the value range, texts as such, all else as curves. Raises InputError if
    ``path`` cannot be written.
    """
    shown, texts = min(len(inputs), MOST_SAMPLES), not isinstance(inputs, Tensor)
    columns = min(math.ceil(math.sqrt(shown)), MOST_TEXT_COLUMNS if texts else MOST_SAMPLES)
    rows = math.ceil(shown / columns)
    images = are_images(spec)
    values = drawable(inputs[:shown], spec) if isinstance(inputs, Tensor) else inputs
    names = _names(spec.class_names, labels.shape[1])
    count = f"{shown} of {len(inputs)}" if shown < len(inputs) else str(shown)
    with new_picture(path, grid=False, layout=None) as figure:
        grid = figure.subplots(rows, columns, squeeze=False, sharex=not images, sharey=not images).ravel()
        _make_room(figure, rows, columns, cell_size(values[0], spec), bare=images or texts)
        for axes, value, label in zip(grid, values, labels[:shown].cpu(), strict=False):
            chosen = int(label.argmax())
            axes.set_title(f"{names[chosen]}: {_how_sure(float(label[chosen]))}", fontsize=7, pad=2)
            draw_sample(axes, value, spec)
        for axes in grid[shown:]:
            axes.axis("off")
        heading = "; ".join(filter(None, [f"D_rec, {count} samples", curve_key(spec)]))
        figure.suptitle(f"{heading}\n{title}".strip(), fontsize=8)


def _make_room(figure: Figure, rows: int, columns: int, cell: tuple[float, float], bare: bool) -> None:
    """By hand: a constrained layout takes seconds for so many small axes. ``bare`` ones have no ticks."""
    cell_width, cell_height = cell
    left, foot, heading = (0.08, 0.08, 0.55) if bare else (0.4, 0.25, 0.55)
    width, height = max(columns * cell_width + left, 3.4), rows * cell_height + foot + heading
    figure.set_size_inches(width, height)
    figure.subplots_adjust(left / width, foot / height, 1 - 0.08 / width, 1 - heading / height, hspace=0.3)


def draw_inversion(
    path: Path | str,
    *,
    losses: Sequence[float],
    disparity: str,
    label_shares: Sequence[float],
    true_label_shares: Sequence[float] | None,
    class_names: Sequence[str],
    surfaces: Mapping[str, SurfaceLike],
    cosine_distances: Mapping[str, float],
    title: str = "",
) -> None:
    """The loss over the iterations, the labels of D_rec beside the client's, and loss surfaces by the data behind them.

    ``disparity`` is the loss's kind; ``cosine_distances`` are those of the update that such data give from the
    client's. Without surfaces they are left out. Raises InputError if ``path`` cannot be written.
    """
    with new_picture(path, (9.0, 6.2 if surfaces else 2.9)) as figure:
        parts = figure.subfigures(2 if surfaces else 1, 1, squeeze=False, height_ratios=(1, 1.2)[: 1 + bool(surfaces)])
        left, right = parts[0, 0].subplots(1, 2)
        _draw_losses(left, losses, DISPARITIES[disparity])
        _draw_labels(right, label_shares, true_label_shares, _names(class_names, len(label_shares)))
        if surfaces:
            _draw_surfaces(parts[1, 0], surfaces, cosine_distances)
        if title:
            figure.suptitle(title, fontsize=10)


def _draw_losses(axes: Axes, losses: Sequence[float], kind: str) -> None:
    axes.semilogy(range(1, len(losses) + 1), losses, color=BLUE, linewidth=1.3, marker="." if len(losses) < 3 else "")
    axes.set(title=f"Loss of the fit ({kind})", xlabel="Iteration", ylabel="Loss")


def _draw_labels(axes: Axes, shares: Sequence[float], true: Sequence[float] | None, names: Sequence[str]) -> None:
    places, width = np.arange(len(shares)), 0.8 if true is None else 0.4
    axes.bar(places - (0 if true is None else width / 2), shares, width, color=BLUE, label="D_rec")
    if true is not None:
        axes.bar(places + width / 2, true, width, color=ORANGE, label="the client's data")
        axes.legend()
    step = -(-len(names) // MOST_NAMED_BARS)
    rotation = 90 if max(map(len, names)) > 3 else 0
    axes.set_xticks(places[::step], names[::step], rotation=rotation, fontsize=8)
    axes.set_axisbelow(True)
    axes.grid(axis="x", visible=False)
    axes.set(title="Labels", xlabel="Class", ylabel="Share", ylim=(0, 1.02))


def _draw_surfaces(figure: Any, surfaces: Mapping[str, SurfaceLike], distances: Mapping[str, float]) -> None:
    """Contours of the surfaces at the same levels, even in the loss's logarithm, and an arrow for each gradient."""
    losses = {name: surface.losses.double().numpy() for name, surface in surfaces.items()}
    finite = np.concatenate([values[np.isfinite(values)] for values in losses.values()])
    logarithmic = bool(finite.size) and finite.min() >= 0 < finite.max()
    if logarithmic:
        # Where the loss vanishes the logarithm does not; below the lowest level all is one colour.
        lowest = finite.max() / 10 ** (MOST_DECADES + 0.1)
        heights = {name: np.log10(np.maximum(values, lowest)) for name, values in losses.items()}
        levels = _levels(np.log10(np.maximum(finite, lowest)), MOST_DECADES)
    else:
        heights, levels = losses, _levels(finite)
    panels = figure.subplots(1, len(surfaces), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, surface) in zip(panels, surfaces.items(), strict=True):
        ticks = surface.ticks.numpy()
        filled = axes.contourf(ticks, ticks, heights[name], levels, cmap="viridis", extend="min")
        axes.contour(ticks, ticks, heights[name], levels, colors="white", linewidths=0.3, linestyles="-")
        arrow = {"arrowstyle": "-|>", "color": VERMILLION, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", surface.descent, (0, 0), arrowprops=arrow)
        axes.plot(0, 0, "o", color=VERMILLION, markersize=4)
        axes.plot(1, 0, "x", color=VERMILLION, markersize=6)
        distance = f"\n(update's cosine distance {distances[name]:.3f})" if name in distances else ""
        axes.set_title(f"Loss on {name}{distance}", fontsize=9)
        axes.set(xlabel="along: direction of the update", aspect="equal")
        axes.grid(False)
    panels[0].set_ylabel("across: direction in which\nnoise would train")
    bar = figure.colorbar(filled, ax=list(panels), label="loss", ticks=levels[::3])
    bar.set_ticklabels([f"{10**level if logarithmic else level:.2g}" for level in levels[::3]])
    figure.supxlabel(SURFACE_KEY, fontsize=8)


def _levels(heights: Array, most: float = math.inf) -> Array:
    """Even steps up to the greatest height, from the least or from ``most`` below."""
    low, high = (float(heights.min()), float(heights.max())) if heights.size else (0.0, 1.0)
    return np.linspace(max(low, high - most), high if high > low else low + 1, LEVELS)


def _how_sure(label: float) -> str:
    """Free labels are no probabilities."""
    return f"{label:.0%}" if 0 <= label <= 1 else f"{label:.2g}"


def _names(class_names: Sequence[str], classes: int) -> list[str]:
    names = list(class_names) or [str(k) for k in range(classes)]
    return [shortened(name, LONGEST_CLASS_NAME) for name in names]
