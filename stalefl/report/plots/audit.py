"""What attacks recovered, sample by sample and defence by defence (the paper's Figure 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.report.plots.sample_panel import are_images, cell_size, draw_sample, drawable
from stalefl.report.plots.style import new_picture

MOST_ROWS = 8
LONGEST_HEADING = 16


def draw_audit(
    columns: Mapping[str, Sequence[Tensor | str | None]],
    notes: Mapping[str, Sequence[str]],
    spec: InputSpec,
    path: Path | str,
    title: str = "",
) -> None:
    """One row per sample, [*shape] or a text, one column per heading; None leaves a place empty. ``notes`` are written
    above the samples of a column. Raises InputError if ``path`` cannot be written.
    """
    rows = min(max(map(len, columns.values())), MOST_ROWS)
    headings = [_wrapped(name) for name in columns]
    lines = max(heading.count("\n") for heading in headings) + 1
    there = [sample for samples in columns.values() for sample in samples if sample is not None]
    width, height = (side + 0.1 for side in cell_size(next(iter(there), None), spec))
    head, title_height = 0.14 * lines + 0.2, 0.3 if title else 0.05
    size = (max(width * len(columns), 3.6), height * rows + head + title_height)
    with new_picture(path, size, grid=False, layout=None) as figure:
        # By hand: a constrained layout takes seconds for so many small axes.
        figure.subplots_adjust(0.01, 0.01, 0.99, 1 - (head + title_height) / size[1], wspace=0.06, hspace=0.22)
        grid = figure.subplots(rows, len(columns), squeeze=False, sharey=not are_images(spec))
        for place, (name, samples) in enumerate(columns.items()):
            _draw_column(grid[:, place], samples, notes.get(name, ()), spec)
            box = grid[0, place].get_position()
            middle, foot = (box.x0 + box.x1) / 2, 1 - (head + title_height - 0.17) / size[1]
            figure.text(middle, foot, headings[place], ha="center", va="bottom", fontsize=7)
        if title:
            figure.text(0.5, 1 - 0.06 / size[1], title, ha="center", va="top", fontsize=8)


def _draw_column(places: Any, samples: Sequence[Tensor | str | None], notes: Sequence[str], spec: InputSpec) -> None:
    for row, axes in enumerate(places):
        sample = samples[row] if row < len(samples) else None
        if sample is None:
            axes.axis("off")
            continue
        draw_sample(axes, drawable(sample[None], spec)[0] if isinstance(sample, Tensor) else sample, spec)
        axes.set(xticks=[], yticks=[])
        if row < len(notes):
            axes.set_title(notes[row], fontsize=6, pad=1.5)


def _wrapped(heading: str) -> str:
    """A defence's steps below each other."""
    return "\n".join(part.strip()[:LONGEST_HEADING] for part in heading.split(","))
