"""Methods down, settings across: accuracy and rounds to target of a grid, as the paper's Tables 9 to 13 have them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd

from stalefl.config.loading import flat
from stalefl.config.naming import METHOD, OPTIONS, short_names, value_text
from stalefl.formatting import MISSING
from stalefl.records.metrics import AFFECTED, OVERALL
from stalefl.records.ranking import REFERENCES, Result, mean_of
from stalefl.records.run_groups import Setting, common_of
from stalefl.report.tables.markdown import markdown_table
from stalefl.report.tables.methods import metric_text, rounds_text

PERIOD = "mean_after_first_late"


def pivots_markdown(settings: Sequence[Setting], references: Collection[str] = REFERENCES) -> str:
    """Tables with a row for every method, and for each of its options that were tried; "" where there is but one row or
    but one column.

    Accuracy on the affected class (on all classes, where that was not measured) from the first late update on, and the
    rounds to its target if any run reached it. The best of a column is bold, references left out.
    """
    if not all(METHOD in setting.values for setting in settings):
        return ""
    cells = pd.DataFrame({"row": row_names(settings), "column": _column_names(settings), "setting": settings})
    cells = cells.drop_duplicates(["row", "column"])
    if cells["row"].nunique() < 2 or cells["column"].nunique() < 2:
        return ""
    measured = [setting.results for setting in cells["setting"] if setting.results]
    affected = any(mean_of(runs, PERIOD, AFFECTED) is not None for runs in measured)
    key, what = (AFFECTED, "the affected class") if affected else (OVERALL, "all classes")
    accuracy = _pivot(cells, references, lambda runs: metric_text(runs, PERIOD, key), (PERIOD, key))
    text = f"Accuracy on {what}, mean from the first late update on:\n\n{accuracy}"
    if not any(run["rounds_to_target"][key] for runs in measured for run in runs):
        return text
    rounds = _pivot(cells, references, lambda runs: rounds_text(runs, key), ("rounds_to_target", key), sign=-1)
    return f"{text}\nRounds to the target accuracy on {what}, those before the first late update included:\n\n{rounds}"


def _pivot(
    cells: pd.DataFrame,
    references: Collection[str],
    text: Callable[[Sequence[Result]], str],
    metric: tuple[str, str],
    sign: int = 1,
) -> str:
    """One metric of all ``cells`` as Markdown; of a column that is best whose mean, times ``sign``, is the greatest."""
    runs = [setting.results for setting in cells["setting"]]
    means = [mean_of(results, *metric) if results else None for results in runs]
    cells = cells.assign(
        text=[text(results) if results else MISSING for results in runs],
        score=sign * pd.Series(means, cells.index, dtype=float),
    )
    competing = cells[~cells["row"].isin(references)].dropna(subset="score")
    best = competing.groupby("column")["score"].idxmax()
    cells.loc[best, "text"] = "**" + cells.loc[best, "text"] + "**"
    cells["text"] += cells["setting"].map(_missing_seeds)
    table = cells.pivot(index="row", columns="column", values="text").fillna(MISSING)
    table = table.loc[cells["row"].unique(), cells["column"].unique()]
    return markdown_table(["method", *table.columns], table.reset_index().to_numpy(), "l" + "r" * len(table.columns))


def _missing_seeds(setting: Setting) -> str:
    """How many seeds there are, where some are missing."""
    if not setting.results or len(setting.results) == setting.seeds:
        return ""
    return f" ({len(setting.results)} of {setting.seeds} seeds)"


def _column_names(settings: Sequence[Setting]) -> list[str]:
    """What of each setting concerns every method, as "alpha 0.1, staleness.rounds 40"."""
    names = short_names(list(dict.fromkeys(key for setting in settings for key in setting.values)))
    return [
        ", ".join(
            f"{names[key]} {value_text(value)}"
            for key, value in setting.values.items()
            if key != METHOD and not _of_methods(key)
        )
        for setting in settings
    ]


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
