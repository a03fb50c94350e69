"""The tables of results.md, and the records in docs/records that they are made of.

Of a run or comparison all but weights and checkpoints is kept, beside methods and seeds that were kept before; of a
sweep the results of its runs, one line each; of an audit its settings, figures and pictures.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from overview import overview_markdown

from stalefl.comparison import Task, summarise
from stalefl.config.grid import METHOD, cell_label
from stalefl.config.loading import load_experiment, toml_value
from stalefl.contracts import DataContext
from stalefl.report.audit_tables import audit_markdown
from stalefl.report.estimation import estimation_markdown, windows_markdown
from stalefl.report.folders import ComparisonFolder, RunFolder, find_runs
from stalefl.report.pivots import pivots_markdown
from stalefl.report.sheets import Setting
from stalefl.report.sweep_folder import SweepFolder
from stalefl.report.tables import comparison_markdown

DOCS = Path(__file__).parent
RECORDS = DOCS / "records"
KEPT = (
    "config.toml",
    "environment.json",
    "rounds.jsonl",
    "result.json",
    "comparison.json",
    "summary.json",
    "curves.png",
)
TABLE = re.compile(
    r"<!-- (table|settings|estimates|windows|audit|grid|overview) (\S+)((?: \S+)*) -->\n.*?<!-- end -->", re.DOTALL
)
SWEEP = "runs.jsonl"


def results_page() -> str:
    """results.md as it stands, with each ``<!-- table NAME -->`` followed by the table of docs/records/NAME, a
    comparison or a sweep of methods alone.

    ``settings`` in place of ``table`` has a row for each folder in it, or for each cell of a sweep, rather than for
    each method; ``estimates`` gives the errors of estimates, ``windows`` those by 20 rounds, ``audit`` the figures of
    a privacy audit, ``grid`` those of a sweep, of all its settings or of those with ``KEY=VALUE``; ``overview`` has a
    row for each setting of all records that it names.
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
        return audit_markdown(json.loads((RECORDS / name / "result.json").read_text())) + "\n"
    if kind in ("table", "settings") and (RECORDS / name / SWEEP).is_file():
        rows = [(cell_label(setting.values), result) for setting in _settings(name, ()) for result in setting.results]
        return comparison_markdown([{**r, "method": label} if kind == "settings" else r for label, r in rows])
    runs = [(run, result) for run in find_runs(RECORDS / name) if (result := run.read_result())]
    if kind == "table":
        return comparison_markdown([result for _, result in runs])
    if kind == "settings":
        folders = [run.path.relative_to(RECORDS / name).parts[0] for run, _ in runs]
        return comparison_markdown([{**r, "method": folder} for folder, (_, r) in zip(folders, runs, strict=True)])
    if kind == "windows":
        return windows_markdown(runs[0][0].read_rounds(), runs[0][1]["method"])
    titles = [run.path.relative_to(RECORDS / name).as_posix() for run, _ in runs]
    return estimation_markdown(
        [(title, result["method"], run.read_rounds()) for title, (run, result) in zip(titles, runs, strict=True)]
    )


def _settings(name: str, chosen: Sequence[str]) -> list[Setting]:
    """The settings of a sweep that was kept, those with every ``KEY=VALUE`` of ``chosen``, and without these keys."""
    wanted = {key: toml_value(value) for key, _, value in (text.partition("=") for text in chosen)}
    settings: dict[str, Setting] = {}
    for line in (RECORDS / name / SWEEP).read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        if all(run["values"][key] == value for key, value in wanted.items()):
            values = {key: value for key, value in run["values"].items() if key not in wanted}
            setting = settings.setdefault(json.dumps(values), Setting(values, [], run["seeds"]))
            settings[json.dumps(values)] = Setting(values, [*setting.results, run["result"]], run["seeds"])
    return sorted(settings.values(), key=lambda setting: [v for k, v in setting.values.items() if k != METHOD])


def keep(folder: Path, name: str) -> None:
    """Copy the records of ``folder``, a run, comparison, sweep or audit, to docs/records/NAME."""
    if (folder / "cases.safetensors").is_file():
        keep_audit(folder, name)
    elif (folder / SweepFolder.FILES[0]).is_file():
        keep_sweep(folder, name)
    else:
        keep_records(folder, name)


def keep_sweep(sweep: Path, name: str) -> None:
    """Write the results of all runs that have finished, beside those of other cells and seeds that were kept before,
    and settings and environment of the first of them."""
    folder, target = SweepFolder.open(sweep), RECORDS / name
    facts = folder.facts()
    places = [(cell, seed) for cell in facts["cells"] for seed in facts["seeds"]]
    runs = [(cell, RunFolder(folder.run_path(cell["name"], seed))) for cell, seed in places]
    done = [(cell, run, result) for cell, run in runs if (result := run.read_result())]
    lines = [{"values": cell["values"], "seeds": len(facts["seeds"]), "result": result} for cell, _, result in done]
    target.mkdir(parents=True, exist_ok=True)
    before = (target / SWEEP).read_text(encoding="utf-8").splitlines() if (target / SWEEP).is_file() else []
    kept = {_place(line): line for line in [*map(json.loads, before), *lines]}
    (target / SWEEP).write_text("".join(f"{json.dumps(line)}\n" for line in kept.values()), encoding="utf-8")
    for file in ("config.toml", "environment.json"):
        shutil.copyfile(done[0][1].path / file, target / file)


def _place(line: Mapping[str, Any]) -> str:
    """The cell and the seed of a sweep's run."""
    return json.dumps([line["values"], line["result"]["seed"]], sort_keys=True)


def keep_audit(audit: Path, name: str) -> None:
    """Copy what an audit found to docs/records/NAME: its settings, figures and pictures."""
    target = RECORDS / name
    target.mkdir(parents=True, exist_ok=True)
    for source in [audit / "config.toml", audit / "result.json", *audit.glob("recovered-*.png")]:
        shutil.copyfile(source, target / source.name)


def keep_records(runs: Path, name: str) -> None:
    """Copy what a run or comparison has recorded to docs/records/NAME, beside the methods and seeds that lie there."""
    several = ComparisonFolder.is_one(runs)
    for source in sorted(path for kept in KEPT for path in runs.rglob(kept)):
        target = RECORDS / name / source.relative_to(runs)
        if several and source.parent == runs and target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if several:
        summarise_records(name, ComparisonFolder(runs).facts()["methods"])


def summarise_records(name: str, new_methods: Sequence[str]) -> None:
    """Write the comparison's overview and picture anew, from all of its runs."""
    folder = ComparisonFolder(RECORDS / name)
    methods = list(dict.fromkeys([*folder.facts()["methods"], *new_methods]))
    seeds = {int(path.name.removeprefix("seed-")) for path in folder.path.glob("*/seed-*")}
    folder.write_facts(methods, sorted(seeds))
    runs = find_runs(folder.path)
    tasks = [Task(load_experiment(run.config), run.path, DataContext(Path())) for run in runs]
    summarise(tasks, [run.read_result() or {} for run in runs], folder.path)
