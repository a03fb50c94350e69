"""Methods down, settings across: accuracy and rounds to target of a grid, as the paper's Tables 9 to 13 have them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from stalefl.config.loading import flat
from stalefl.config.naming import METHOD, OPTIONS, short_names, value_text
from stalefl.formatting import MISSING
from stalefl.records.metrics import AFFECTED, OVERALL
from stalefl.records.ranking import REFERENCES, Result, mean_of
from stalefl.records.run_groups import Setting, common_of
from stalefl.report.tables.methods import figure_text, rounds_text

PERIOD = "mean_after_first_late"

Figure = Callable[[Sequence[Result]], tuple[str, float | None]]
"""The text of a cell, and what it is ranked by: the higher, the better."""


def pivots_markdown(settings: Sequence[Setting], references: Collection[str] = REFERENCES) -> str:
    """Tables with a row for every method, and for each of its options that were tried; "" where there is but one row or
    but one setting.

    Accuracy on the affected class (on all classes, where that was not measured) from the first late update on, and the
    rounds to its target if any run reached it. The best of a column is bold, references left out.
    """
    if not all(METHOD in setting.values for setting in settings):
        return ""
    columns, methods = _columns(settings)
    if len(columns) < 2 or len(methods) < 2:
        return ""
    affected = any(mean_of(runs, PERIOD, AFFECTED) is not None for runs in _results(columns))
    key, what = (AFFECTED, "the affected class") if affected else (OVERALL, "all classes")
    accuracy = _table(columns, methods, references, lambda runs: _accuracy(runs, key))
    text = f"Accuracy on {what}, mean from the first late update on:\n\n{accuracy}"
    if not any(run["rounds_to_target"][key] for runs in _results(columns) for run in runs):
        return text
    rounds = _table(columns, methods, references, lambda runs: _rounds(runs, key))
    return f"{text}\nRounds to the target accuracy on {what}, those before the first late update included:\n\n{rounds}"


def _columns(settings: Sequence[Setting]) -> tuple[dict[str, dict[str, Setting]], list[str]]:
    """Settings by what concerns every method, as "alpha 0.1, staleness.rounds 40", then by row; and the rows."""
    names = short_names(list(dict.fromkeys(key for setting in settings for key in setting.values)))
    rows = row_names(settings)
    columns: dict[str, dict[str, Setting]] = {}
    for setting, row in zip(settings, rows, strict=True):
        shared = {key: value for key, value in setting.values.items() if key != METHOD and not _of_methods(key)}
        label = ", ".join(f"{names[key]} {value_text(value)}" for key, value in shared.items())
        columns.setdefault(label, {}).setdefault(row, setting)
    return columns, list(dict.fromkeys(rows))


def row_names(settings: Sequence[Setting]) -> list[str]:
    """The method of each, with those of its options in which its settings differ, as "fedasync alpha=0.6"."""
    methods = [str(setting.values[METHOD]) for setting in settings]
    own = [_options(setting, method) for setting, method in zip(settings, methods, strict=True)]
    rows = []
    for method, options in zip(methods, own, strict=True):
        common = common_of([other for name, other in zip(methods, own, strict=True) if name == method])
        differing = [f"{key}={value_text(value)}" for key, value in options.items() if key not in common]
        rows.append(" ".join([method, *differing]))
    return rows


def _options(setting: Setting, method: str) -> dict[str, Any]:
    """Those values of a setting that are options of its method."""
    options = flat(setting.values.get(OPTIONS, {}))
    options |= {key.removeprefix(f"{OPTIONS}."): value for key, value in setting.values.items() if key != OPTIONS}
    return {key.removeprefix(f"{method}."): value for key, value in options.items() if key.startswith(f"{method}.")}


def _of_methods(key: str) -> bool:
    return f"{key}.".startswith(f"{OPTIONS}.")


def _results(columns: Mapping[str, Mapping[str, Setting]]) -> list[Sequence[Result]]:
    return [setting.results for column in columns.values() for setting in column.values() if setting.results]


def _accuracy(runs: Sequence[Result], key: str) -> tuple[str, float | None]:
    return figure_text(runs, PERIOD, key), mean_of(runs, PERIOD, key)


def _rounds(runs: Sequence[Result], key: str) -> tuple[str, float | None]:
    rounds = mean_of(runs, "rounds_to_target", key)
    return rounds_text(runs, key), None if rounds is None else -rounds


def _table(
    columns: Mapping[str, Mapping[str, Setting]], methods: Sequence[Any], references: Collection[str], figure: Figure
) -> str:
    cells = {label: _column(column, methods, references, figure) for label, column in columns.items()}
    lines = [
        ["method", *cells],
        ["---", *["---:"] * len(cells)],
        *([str(method), *(column[row] for column in cells.values())] for row, method in enumerate(methods)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _column(
    column: Mapping[str, Setting], methods: Sequence[Any], references: Collection[str], figure: Figure
) -> list[str]:
    figures = {name: figure(setting.results) for name, setting in column.items() if setting.results}
    ranks = {name: rank for name, (_, rank) in figures.items() if rank is not None and name not in references}
    best = max(ranks, key=lambda name: ranks[name], default=None)
    texts = {name: f"**{text}**" if name == best else text for name, (text, _) in figures.items()}
    return [texts.get(method, MISSING) + _short_of(column.get(method)) for method in methods]


def _short_of(setting: Setting | None) -> str:
    """How many seeds there are, where some are missing."""
    if setting is None or not setting.results or len(setting.results) == setting.seeds:
        return ""
    return f" ({len(setting.results)} of {setting.seeds} seeds)"
