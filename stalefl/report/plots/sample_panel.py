"""One sample in a small picture: pixels as an image on the scale of the value range, a text as its words, all else as
curves.
"""

from __future__ import annotations

import textwrap
from itertools import cycle

from matplotlib.axes import Axes
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.report.plots.style import Array
from stalefl.training.value_range import to_unit

CURVE_COLOURS = ("blue", "orange", "green", "red", "purple", "brown", "pink", "grey", "olive", "cyan")
"""The names of matplotlib's colours without their "tab:"."""
TEXT_LETTERS, TEXT_LINES = 44, 5
"""The length and the number of lines of a text, in the place that ``cell_size`` gives it."""


def are_images(spec: InputSpec) -> bool:
    """Whether samples are drawn as images."""
    return spec.space == "pixels" and len(spec.shape) == 3


def curve_key(spec: InputSpec) -> str:
    """Which curve of a signal is which, as "blue: x, orange: y"; empty where there is nothing to tell apart."""
    names = spec.channel_names
    if spec.space != "signal" or not 1 < len(names) <= len(CURVE_COLOURS):
        return ""
    return ", ".join(f"{colour}: {name}" for colour, name in zip(CURVE_COLOURS, names, strict=False))


def cell_size(sample: object, spec: InputSpec) -> tuple[float, float]:
    """Width and height of the place for one such sample, in inches."""
    if isinstance(sample, str):
        return 2.4, 0.7
    return (0.85, 0.96) if are_images(spec) else (1.5, 1.15)


def drawable(inputs: Tensor, spec: InputSpec) -> Array:
    """Samples [M, *shape] as ``draw_sample`` takes them: images from the value range to 0..1, all else as it is."""
    values = inputs.detach().cpu()
    return (to_unit(values, spec) if are_images(spec) else values).numpy()


def draw_text(axes: Axes, text: str) -> None:
    """As much of it as has room, in lines."""
    lines = textwrap.wrap(text, TEXT_LETTERS, max_lines=TEXT_LINES, placeholder=" …")
    axes.text(0.02, 0.97, "\n".join(lines), va="top", fontsize=6, parse_math=False, transform=axes.transAxes)
    axes.axis("off")


def draw_sample(axes: Axes, value: Array | str, spec: InputSpec) -> None:
    """A drawable sample: a text, an image [C, H, W], [L] as one curve, or [..., L] as one for each row."""
    if isinstance(value, str):
        draw_text(axes, value)
        return
    if not are_images(spec):
        for row, colour in zip(value.reshape(-1, value.shape[-1]), cycle(CURVE_COLOURS), strict=False):
            axes.plot(row, linewidth=0.9, color=f"tab:{colour}")
        axes.tick_params(labelsize=6)
        return
    if len(value) == 3:
        axes.imshow(value.transpose(1, 2, 0), interpolation="nearest")
    else:
        axes.imshow(value.mean(axis=0), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
