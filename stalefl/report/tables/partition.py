"""How many samples of each class each client holds, for the terminal."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from stalefl.data.partition import Indices

ROWS_SHOWN = 50
CLASS_COLUMNS_SHOWN = 16
WIDEST_NAME = 12
LATE_STYLE = "bold red"


def partition_table(
    counts: Indices, late_clients: tuple[int, ...], names: tuple[str, ...], affected: tuple[int, ...], title: str
) -> Table:
    """Clients by classes, from ``counts`` [clients, classes]. Of many clients it shows the late ones and the first
    others, of many classes those held most."""
    classes = _classes_shown(counts, affected)
    rows = _rows_shown(len(counts), late_clients)
    table = Table(title=Text(title), box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True)
    table.title_justify = table.caption_justify = "left"
    table.add_column("client", "all", justify="right")
    table.add_column("", "")
    for label in classes:
        style = "bold" if label in affected else ""
        heading = Text(names[label] if len(names[label]) <= WIDEST_NAME else f"{names[label][: WIDEST_NAME - 1]}…")
        table.add_column(heading, str(counts[:, label].sum()), justify="right", style=style)
    if len(classes) < len(names):
        table.add_column("others", str(counts.sum() - counts[:, classes].sum()), justify="right")
    table.add_column("samples", str(counts.sum()), justify="right")
    for client in rows:
        late = client in late_clients
        table.add_row(*_row(counts[client], client, late, classes), style=LATE_STYLE if late else None)
    if len(rows) < len(counts):
        table.caption = f"{len(counts) - len(rows)} of {len(counts)} clients are not shown; --json has them all"
    return table


def _row(counts: Indices, client: int, late: bool, classes: list[int]) -> list[str | Text]:
    cells = [str(counts[label]) if counts[label] else "·" for label in classes]
    others = [str(counts.sum() - counts[classes].sum())] if len(classes) < len(counts) else []
    return [str(client), "late" if late else "", *cells, *others, str(counts.sum())]


def _rows_shown(clients: int, late_clients: tuple[int, ...]) -> list[int]:
    others = [client for client in range(clients) if client not in late_clients]
    return sorted([*late_clients, *others[: max(0, ROWS_SHOWN - len(late_clients))]])


def _classes_shown(counts: Indices, affected: tuple[int, ...]) -> list[int]:
    if counts.shape[1] <= CLASS_COLUMNS_SHOWN:
        return list(range(counts.shape[1]))
    most_held = [label for label in (-counts.sum(axis=0)).argsort(kind="stable").tolist() if label not in affected]
    return sorted([*affected, *most_held[: max(0, CLASS_COLUMNS_SHOWN - len(affected))]])
