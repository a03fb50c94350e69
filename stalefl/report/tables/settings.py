"""Tables of many settings: a row for each setting, mean ± spread over its seeds; for the terminal, as Markdown and as
LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from stalefl.config.naming import short_names, value_text
from stalefl.formatting import MISSING
from stalefl.records.ranking import Result
from stalefl.records.run_groups import Setting
from stalefl.report.tables.markdown import markdown_table
from stalefl.report.tables.methods import SHORT_HEADERS, legend, metric_cells, metric_text
from stalefl.report.tables.terminal import close_up, terminal_table

SEEDS_HEADER = "seeds"
HEADERS_BY_RANK = (
    "affected\nafter",
    "error",
    SEEDS_HEADER,
    "affected",
    "rounds",
    "server",
    "overall\nafter",
    "overall",
)
"""Parts of headers, the most important ones first."""
COLUMN_GAP, TABLE_EDGES = 2, 2
"""Columns of the terminal that a table's column takes beside its text, and the table beside its columns."""
ERRORS_NOTE = (
    "error: mean relative L1 distance of late updates as they are, of the method's estimates and of each shadow's from "
    "the updates on time; each method that trains meets late updates of its own"
)
LATEX_SIGNS = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
}


@dataclass(frozen=True)
class Sheet:
    """A table as text. The first ``keys`` columns say which setting a row is of."""

    keys: int
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]

    @property
    def alignment(self) -> str:
        """A letter for each column, as LaTeX's ``tabular``."""
        return "l" * self.keys + "r" * (len(self.headers) - self.keys)


def sheet(settings: Sequence[Setting]) -> Sheet:
    """One row per setting; dashes where no seed has finished."""
    keys = list(dict.fromkeys(key for setting in settings for key in setting.values))
    names = short_names(keys)
    targets = sorted({run["rounds_to_target"]["target"] for setting in settings for run in setting.results})
    target = f"{targets[0]:g}" if len(targets) == 1 else "target"
    metrics = [metric_cells(setting.results) if setting.results else [MISSING] * 6 for setting in settings]
    errors = _errors(settings)
    headers = [*names.values(), *SHORT_HEADERS, f"rounds\nto {target}", "server\nseconds", *errors, SEEDS_HEADER]
    rows = [
        [*(_value(setting, key) for key in keys), *cells, *(column[row] for column in errors.values()), _count(setting)]
        for row, (setting, cells) in enumerate(zip(settings, metrics, strict=True))
    ]
    notes = list(legend(target, [*metrics, *errors.values()]))
    if errors:
        notes.append(ERRORS_NOTE)
    if any(setting.failed for setting in settings):
        notes.append("failed: runs that ended with an error, which failed.json has")
    return Sheet(len(keys), headers, rows, notes)


def _errors(settings: Sequence[Setting]) -> dict[str, list[str]]:
    """Columns of mean relative L1 errors of estimates; none where no run had an oracle."""
    runs = [run for setting in settings for run in setting.results if "stale_error" in run]
    if not runs:
        return {}
    shadows = dict.fromkeys(label for run in runs for label in run.get("shadows", ()))
    places = {
        "late": ("stale_error",),
        "estimate": ("estimate_error",),
        **{label: ("shadows", label, "estimate_error") for label in shadows},
    }
    return {f"{name}\nerror": [_error(s.results, place) for s in settings] for name, place in places.items()}


def _error(results: Sequence[Result], place: Sequence[str]) -> str:
    measured = [run for run in results if _has(run, place) and not _as_it_came(run, place)]
    return metric_text(measured, *place, "l1") if measured else MISSING


def _as_it_came(run: Result, place: Sequence[str]) -> bool:
    """Whether the run's own method took late updates as they are."""
    return tuple(place) == ("estimate_error",) and run["estimate_error"] == run["stale_error"]


def _has(run: Result, place: Sequence[str]) -> bool:
    part: Any = run
    for key in place:
        if key not in part:
            return False
        part = part[key]
    return True


def _value(setting: Setting, key: str) -> str:
    return value_text(setting.values[key]) if key in setting.values else MISSING


def _count(setting: Setting) -> str:
    """As "3", "1 of 3" or "1 of 3, 2 failed"."""
    done = len(setting.results)
    text = str(done) if done == setting.seeds else f"{done} of {setting.seeds}"
    return f"{text}, {setting.failed} failed" if setting.failed else text


def sheet_table(content: Sheet, width: int) -> Table:
    """For a terminal of ``width`` columns: of the metrics the most important ones that fit beside the keys."""
    content, left_out = _narrowed(content, width)
    notes = [f"left out, for want of width: {', '.join(left_out)}"] if left_out else []
    table = terminal_table(caption="\n".join([*notes, *content.notes]))
    for column, header in enumerate(content.headers):
        text = column < content.keys
        table.add_column(header, justify="left" if text else "right", no_wrap=not text, overflow="fold")
    for row in content.rows:
        table.add_row(*row)
    return table


def _narrowed(content: Sheet, width: int) -> tuple[Sheet, list[str]]:
    """The columns that fit, with ``±`` close up, and the headers of the others."""
    rows = [[close_up(cell) for cell in row] for row in content.rows]
    columns = [[header, *(row[column] for row in rows)] for column, header in enumerate(content.headers)]
    widths = [COLUMN_GAP + max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
    shown = set(range(content.keys))
    for column in sorted(range(content.keys, len(widths)), key=lambda column: _rank(content.headers[column])):
        if TABLE_EDGES + sum(widths[other] for other in {*shown, column}) <= width:
            shown.add(column)
    left_out = [header.replace("\n", " ") for column, header in enumerate(content.headers) if column not in shown]
    kept = [[line[column] for column in sorted(shown)] for line in (content.headers, *rows)]
    return Sheet(content.keys, kept[0], kept[1:], content.notes), left_out


def _rank(header: str) -> int:
    return next((rank for rank, part in enumerate(HEADERS_BY_RANK) if part in header), len(HEADERS_BY_RANK))


def sheet_markdown(content: Sheet) -> str:
    """The notes stand below; the text ends in a newline."""
    table = markdown_table(content.headers, content.rows, content.alignment)
    return f"{table}\n" + "".join(f"- {note}\n" for note in content.notes)


def sheet_latex(content: Sheet) -> str:
    r"""A ``tabular`` for ``\usepackage{booktabs}``, the notes as comments above it."""
    lines = [content.headers, *content.rows]
    header, *rows = [" & ".join(latex_text(cell.replace("\n", " ")) for cell in line) + r" \\" for line in lines]
    comments = [r"% needs \usepackage{booktabs}", *(f"% {note}" for note in content.notes)]
    table = [
        rf"\begin{{tabular}}{{@{{}}{content.alignment}@{{}}}}",
        r"\toprule",
        header,
        r"\midrule",
        *rows,
        r"\bottomrule",
    ]
    return "\n".join([*comments, *table, r"\end{tabular}"]) + "\n"


def latex_text(text: str) -> str:
    """``text`` with all that LaTeX would take for commands escaped."""
    return re.sub("|".join(map(re.escape, LATEX_SIGNS)), lambda found: LATEX_SIGNS[found[0]], text)
