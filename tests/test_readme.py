"""README.md and the pages of docs/ hold: commands are valid, names and fields are all there, links lead somewhere."""

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
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "plugins" / "README.md", *(ROOT / "docs").rglob("*.md")]
TUTORIALS = {"write-a-compensator.md", "write-a-plugin.md"}
"""Their commands are carried out by tests of their own."""
COMMAND = re.compile(r"^(?: {4,})?(?:\$ )?stalefl ([a-z-]+(?: .+?)?)(?: {2,}#.*)?$", re.MULTILINE)
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4,}.+$", re.MULTILINE)
LOOP = re.compile(r"^ *for (\w+) in (\S+) [^\n]*; do\n(.*?)^ *done$", re.MULTILINE | re.DOTALL)
README_BYTES = 8192
NOT_YET_WRITTEN = {".lock", "partition.png"}
OWN_PATH = re.compile(r"`((?:stalefl|tests|docs|examples|plugins|benchmarks)/[\w./-]+)`")
OF_A_TUTORIAL = {"tests/test_method.py"}
"""Files of the package that write-a-compensator.md makes."""
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")


def text_of(page: Path | str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands_of(page: Path) -> list[str]:
    """The commands of stalefl in a page's code, one a line."""
    text = text_of(page)
    code = [fenced[3] for fenced in FENCED.finditer(text) if fenced[2] in ("", "sh")]
    lines = "\n".join([*code, *INDENTED.findall(FENCED.sub("", text))])
    lines = LOOP.sub(lambda loop: loop[3].replace(f"${loop[1]}", loop[2]), lines)
    return COMMAND.findall(re.sub(r"\s*\\\n\s*", " ", lines))


COMMANDS = [
    pytest.param(command, id=f"{page.relative_to(ROOT)}-{command}")
    for page in PAGES
    if page.name not in TUTORIALS
    for command in dict.fromkeys(commands_of(page))
]
EXPERIMENT = "".join(re.findall(r"```toml\n(.*?)```", text_of("docs/write-an-experiment.md"), re.DOTALL))


def parsed(command: str) -> tuple[str, dict[str, Any]]:
    name, *arguments = shlex.split(command)
    group: Any = get_command(app)
    return name, group.commands[name].make_context(name, arguments).params


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


def test_every_page_is_in_the_index() -> None:
    index = text_of("docs/README.md")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert [page for page in sorted(pages) if f"]({page})" not in index] == []


def test_every_command_has_an_example() -> None:
    group: Any = get_command(app)
    named = {command.split()[0] for command in commands_of(ROOT / "docs" / "getting-started.md")}
    assert named == set(group.commands)


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


@pytest.mark.parametrize(
    ("page", "entries"),
    [
        ("docs/own-data.md", stalefl_datasets()),
        ("docs/own-data.md", stalefl_models()),
        ("docs/methods.md", stalefl_compensators()),
        ("docs/privacy-audit.md", stalefl_attacks()),
    ],
)
def test_every_builtin_is_in_a_table(page: str, entries: list[Any]) -> None:
    for entry in entries:
        assert re.search(rf"^\| `{entry.name}[:`]", text_of(page), re.MULTILINE), entry.name


def test_the_readme_counts_the_methods() -> None:
    assert f"[{len(stalefl_compensators())} methods]" in text_of("README.md")


def test_every_file_and_field_of_a_run_is_named() -> None:
    page = text_of("docs/run-folder.md") + text_of("docs/records.md")
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
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target, anchor in LINK.findall(text_of(page)):
        place = page.parent / target if target else page
        if not place.exists() or (anchor and anchor not in anchors_of(place)):
            dead.append(f"{target}#{anchor}")
    assert dead == []


def anchors_of(page: Path) -> set[str]:
    """The places of a page that links can name, as GitHub makes them from its headings."""
    text = text_of(page)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_of_the_repository_exist(page: Path) -> None:
    """Those in backticks that begin with one of its folders; the changelog tells of files that are gone."""
    if page.name != "CHANGELOG.md":
        paths = set(OWN_PATH.findall(text_of(page))) - OF_A_TUTORIAL
        assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
