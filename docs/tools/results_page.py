"""The tables of results.md, made of the records in docs/records."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from docs.tools.kept_records import RECORDS, SweepRun, finished_runs, is_sweep, sweep_runs
from docs.tools.markdown_page import DOCS
from docs.tools.results_overview import overview_markdown
from docs.tools.uniqueness_table import uniqueness_markdown
from stalefl.config.loading import toml_value
from stalefl.config.naming import METHOD, cell_label
from stalefl.records.run_groups import Setting
from stalefl.report.tables.audit import audit_markdown
from stalefl.report.tables.estimates import estimation_markdown, windows_markdown
from stalefl.report.tables.methods import comparison_markdown
from stalefl.report.tables.pivots import pivots_markdown, row_names
from stalefl.report.tables.settings import Sheet, sheet, sheet_markdown

SEED = re.compile(r"seed-\d+")
TABLE = re.compile(
    r"<!-- (table|settings|estimates|windows|uniqueness|audit|grid|overview) (\S+)((?: \S+)*) -->\n.*?<!-- end -->",
    re.DOTALL,
)


def results_page() -> str:
    """results.md as it stands, with each ``<!-- table NAME -->`` followed by the table of docs/records/NAME, a
    comparison or a sweep of methods alone.

    ``settings`` in place of ``table`` has a row for each folder in it, or for each cell of a sweep, rather than for
    each method; ``estimates`` gives the errors of estimates, of a sweep by its settings, ``windows`` those by 20
    rounds, ``uniqueness`` how often that test is right, ``audit`` the figures of a privacy audit, ``grid`` those of a
    sweep, of all its settings or of those with ``KEY=VALUE``; ``overview`` has a row for each setting of all records
    that it names.
    """
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    return TABLE.sub(lambda m: f"<!-- {m[1]} {m[2]}{m[3]} -->\n{_records_table(m[1], m[2], m[3])}<!-- end -->", text)


def _records_table(kind: str, name: str, choice: str = "") -> str:
    if kind == "overview":
        return overview_markdown([name, *choice.split()])
    if not (RECORDS / name).is_dir():
        return "Not measured yet.\n"
    if kind == "grid":
        return "\n" + pivots_markdown(_settings(name, choice.split())) + "\n"
    if kind == "audit":
        return audit_markdown(json.loads((RECORDS / name / "result.json").read_text()))
    if kind in ("table", "settings") and is_sweep(name):
        runs_of_sweep = sweep_runs(name)
        labels = [run.result["method"] for run in runs_of_sweep] if kind == "table" else _labels(runs_of_sweep)
        return comparison_markdown([{**r.result, "method": n} for r, n in zip(runs_of_sweep, labels, strict=True)])
    if kind == "estimates" and is_sweep(name):
        return _errors(sheet(_settings(name, choice.split())))
    runs = finished_runs(name)
    if kind == "table":
        return comparison_markdown([result for _, result in runs])
    if kind == "settings":
        folders = [run.path.relative_to(RECORDS / name).parts[0] for run, _ in runs]
        return comparison_markdown([{**r, "method": folder} for folder, (_, r) in zip(folders, runs, strict=True)])
    if kind == "uniqueness":
        return uniqueness_markdown([run for run, _ in runs])
    if kind == "windows":
        return windows_markdown([run.read_rounds() for run, _ in runs], runs[0][1]["method"])
    settings: dict[str, tuple[str, list[Any]]] = {}
    for run, result in runs:
        place = run.path.relative_to(RECORDS / name)
        title = (place.parent if SEED.fullmatch(place.name) else place).as_posix()
        settings.setdefault(title, (result["method"], []))[1].append(run.read_rounds())
    return estimation_markdown(settings)


def _labels(runs: Sequence[SweepRun]) -> list[str]:
    """A label for each run: its method with the options tried where nothing else varies, or else its cell."""
    if all(METHOD in run.values and all(key.startswith("method.") for key in run.values) for run in runs):
        return row_names([Setting(run.values, [run.result], run.seeds) for run in runs])
    return [cell_label(run.values) for run in runs]


def _errors(content: Sheet) -> str:
    """The keys and the errors of estimates of a sweep's table."""
    shown = [column for column, header in enumerate(content.headers) if column < content.keys or "error" in header]
    rows = [[row[column] for column in shown] for row in content.rows]
    return sheet_markdown(Sheet(content.keys, [content.headers[column] for column in shown], rows, []))


def _settings(name: str, chosen: Sequence[str]) -> list[Setting]:
    """The settings of a sweep that was kept, those with every ``KEY=VALUE`` of ``chosen``, and without these keys."""
    wanted = {key: toml_value(value) for key, _, value in (text.partition("=") for text in chosen)}
    settings: dict[str, Setting] = {}
    for run in sweep_runs(name):
        if all(run.values[key] == value for key, value in wanted.items()):
            values = {key: value for key, value in run.values.items() if key not in wanted}
            results = settings[label].results if (label := json.dumps(values)) in settings else []
            settings[label] = Setting(values, [*results, run.result], run.seeds)
    return list(settings.values())
