"""What all pictures share: colours, lines, sizes, and how they are saved. Nothing is global, as pyplot is not used."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stalefl.contracts import InputError
from stalefl.storage import write_whole

Array = np.ndarray[Any, Any]
Line = tuple[str, str]
"""Colour and dash pattern."""

# The colour-blind safe palette of Okabe and Ito (2008), its yellow left out: too pale for a line on white.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
INDIGO = "#332288"  # of Tol's palette, safe as well
LINES: dict[str, Line] = {
    "unstale": (BLACK, "--"),
    "unweighted": (VERMILLION, "-"),
    "weighted": (ORANGE, "-"),
    "first-order": (PURPLE, "-"),
    "w-pred": (SKY, "-"),
    "asyn-tiers": (GREEN, "-"),
    "inversion": (BLUE, "-"),
    "anchored-inversion": (INDIGO, "-."),
}
OTHER_LINES: tuple[Line, ...] = tuple(
    (c, d) for d in ("-.", ":") for c in (GREEN, PURPLE, SKY, ORANGE, VERMILLION, BLUE)
)

RESOLUTION = 200
LEGEND_LETTERS_PER_INCH = 12.4
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.columnspacing": 1.4,
    "pdf.fonttype": 42,
}
REFERENCE_LINE: Any = {"color": "#777777", "linestyle": ":", "linewidth": 1.2, "zorder": 1}
"""A value or round that lines are compared with."""


def lines_of(methods: Sequence[str]) -> dict[str, Line]:
    """Colour and dashes of each method: the same in every picture for the built-in ones, and for any other method as
    long as no two of one picture want the same."""
    lines = {method: LINES[method] for method in methods if method in LINES}
    for method in sorted(set(methods) - set(LINES)):
        start = hashlib.blake2b(method.encode(), digest_size=4).digest()[0] % len(OTHER_LINES)
        order = [*OTHER_LINES[start:], *OTHER_LINES[:start]]
        lines[method] = next((line for line in order if line not in lines.values()), order[0])
    return lines


def columns_of(labels: Sequence[str], width_inches: float) -> int:
    """As many columns of a legend as fit beside each other in a narrow picture."""
    widest = max(map(len, labels), default=0) + 7
    return max(1, min(len(labels), int(LEGEND_LETTERS_PER_INCH * width_inches) // widest))


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    """One legend for all panels, below them."""
    labels = [str(handle.get_label()) for handle in handles]
    figure.legend(list(handles), labels, loc="outside lower center", ncols=columns)


def shortened(name: str, letters: int) -> str:
    """``name``, cut where it has more than so many letters."""
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


@contextmanager
def new_picture(
    path: Path | str, size_inches: tuple[float, float] | None = None, *, grid: bool = True, layout: Any = "constrained"
) -> Iterator[Figure]:
    """An empty figure in the style of all pictures, which is written to ``path`` at the end. Raises InputError as
    ``save_picture`` does."""
    with rc_context(STYLE if grid else {**STYLE, "axes.grid": False}):
        figure = Figure(figsize=size_inches, layout=layout)
        yield figure
        save_picture(figure, path)


def save_picture(figure: Figure, path: Path | str) -> None:
    """Write whole, in the format of the path's ending. Raises InputError for another ending or an unwritable path."""
    FigureCanvasAgg(figure)
    ending = Path(path).suffix.lstrip(".").lower() or "png"
    picture = io.BytesIO()
    try:
        figure.savefig(picture, format=ending, dpi=RESOLUTION)
    except ValueError as error:
        raise InputError(f"cannot draw {path}: unknown ending '.{ending}'; valid: .png, .pdf, .svg") from error
    write_whole(path, picture.getvalue())
