"""Tables for the terminal, drawn with rich."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table


def terminal_table(title: str = "", caption: str = "") -> Table:
    """A table without columns, which takes as little room as it can."""
    table = Table(title=title or None, caption=caption or None, caption_justify="left", box=SIMPLE_HEAD)
    table.pad_edge, table.padding = False, (0, 1, 0, 0)
    return table


def close_up(cell: str) -> str:
    """``0.905 ± 0.012`` as ``0.905±0.012``."""
    return cell.replace(" ± ", "±")
