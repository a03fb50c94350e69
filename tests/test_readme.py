"""README.md holds: what it tells a newcomer to type is valid, names and fields are all there, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from stalefl.builtins.plugin import stalefl_attacks, stalefl_compensators, stalefl_datasets, stalefl_models
from stalefl.cli.app import app
from stalefl.config.loading import load_experiment, method_names, method_options
from stalefl.records.round_record import round_record
from stalefl.records.run_folder import COMPARISON_FILES, RUN_FILES
from stalefl.records.run_result import run_result
from stalefl.registry import load_registry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
COMMANDS = re.findall(r"^ {4,}stalefl (.+?)(?: {2,}#.*)?$", README, re.MULTILINE)
EXPERIMENT = "".join(re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
NOT_YET_WRITTEN = {".lock", "partition.png"}
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def parsed(command: str) -> tuple[str, dict[str, Any]]:
    name, *arguments = shlex.split(command)
    group: Any = get_command(app)
    return name, group.commands[name].make_context(name, arguments).params


def test_every_command_has_an_example() -> None:
    group: Any = get_command(app)
    assert {command.split()[0] for command in COMMANDS} == set(group.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_name_options_keys_and_plugins_that_exist(command: str, tmp_path: Path) -> None:
    _, given = parsed(command)
    (tmp_path / "late.toml").write_text(EXPERIMENT)
    file = given.get("experiment")
    file = next(path for path in (tmp_path / file, ROOT / file) if path.exists()) if file else None
    methods = given.get("method") or []
    flags = {
        "data": {"dataset": given.get("dataset")},
        "model": {"name": given.get("model")},
        "method": {"name": methods[0] if len(methods) == 1 else methods or None},
    }
    named = {table: {k: v for k, v in keys.items() if v} for table, keys in flags.items()}
    experiment = load_experiment(file, given.get("settings") or [], named)
    registry = load_registry()
    registry.create("dataset", experiment.data.dataset, experiment.data.options)
    registry.create("model", experiment.model.name, experiment.model.options)
    for name in method_names(experiment.method):
        registry.create("method", name, method_options(experiment.method, name))


@pytest.mark.parametrize("entries", [stalefl_datasets(), stalefl_models(), stalefl_compensators(), stalefl_attacks()])
def test_every_builtin_is_in_a_table(entries: list[Any]) -> None:
    for entry in entries:
        assert re.search(rf"^\| `{entry.name}[:`]", README, re.MULTILINE), entry.name


def test_every_file_and_field_of_a_run_is_named() -> None:
    section = README.partition("## What a run leaves behind")[2].partition("\n## ")[0]
    record = round_record(
        round=1,
        participants=[],
        staleness_rounds=[],
        rejected_updates=0,
        server_seconds=0.0,
        client_seconds=0.0,
        affected_classes=(0,),
        oracle=True,
    )
    result = run_result(
        method="m",
        dataset="d",
        model="m",
        seed=0,
        records=[record],
        target_accuracy=0.5,
        first_late_round=None,
        wall_seconds=0.0,
    )
    names = {*RUN_FILES, *COMPARISON_FILES, *record, *result} - NOT_YET_WRITTEN - {"schema"}
    assert [name for name in sorted(names) if f"`{name}`" not in section] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
