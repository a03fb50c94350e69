"""Nothing a user or a plugin author can name is undocumented, and the generated pages are up to date."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from docs.tools.cli_page import commands
from docs.tools.generate import PAGES
from docs.tools.plugins_page import hooks_of
from stalefl.builtins.plugin import stalefl_compensators
from stalefl.config.explain import keys_of
from stalefl.config.schema import Experiment
from stalefl.contracts import Entry
from stalefl.records.comparison_folder import find_runs
from stalefl.records.describe import DOCUMENTS, object_types

DOCS = Path(__file__).parents[1] / "docs"


def read(name: str) -> str:
    path = DOCS / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def section(page: str, heading: str) -> str:
    """The part of ``page`` below ``heading``, up to the next heading of that level."""
    level = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^{level} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[1]


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_pages_are_up_to_date(name: str) -> None:
    assert read(name) == PAGES[name](), f"docs/{name} is out of date: run `make docs`"


@pytest.mark.parametrize("hook", hooks_of(), ids=lambda hook: hook.__name__)
def test_every_hook_is_documented(hook: Any) -> None:
    assert inspect.getdoc(hook)
    assert hook.__name__ in read("plugins.md")
    assert hook.__name__ in read("write-a-plugin.md")


@pytest.mark.parametrize("hook", hooks_of(), ids=lambda hook: hook.__name__)
def test_every_hook_is_tested(hook: Any) -> None:
    """In tests/test_hooks.py, by a test that has its name."""
    tests = (Path(__file__).parent / "test_hooks.py").read_text(encoding="utf-8")
    assert f"def test_{hook.__name__}()" in tests
    assert f'"{hook.__name__}"' in tests


def test_hooks_are_found() -> None:
    names = [hook.__name__ for hook in hooks_of()]
    assert {"stalefl_datasets", "stalefl_models", "stalefl_compensators"} <= set(names)


@pytest.mark.parametrize(("path", "command"), list(commands()))
def test_every_command_and_option_is_documented(path: str, command: Any) -> None:
    assert command.help, f"{path} has no help"
    text = section(read("cli.md"), f"## `{path}`")
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    options = [option for parameter in shown for option in parameter.opts if option.startswith("--")]
    for option in set(options) - {"--help"}:
        assert f"`{option}`" in text or f", {option}`" in text, f"{path} {option}"
    assert [p.name for p in command.params if not p.help and p.name != "help"] == []


@pytest.mark.parametrize("entry", stalefl_compensators(), ids=lambda entry: entry.name)
def test_every_method_has_its_formula_its_memory_and_its_source(entry: Entry) -> None:
    """In the first column of two tables; a line of the second may name several."""
    rules, kept = (
        re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE) for part in read("methods.md").split("## What is kept")
    )
    assert f"`{entry.name}`" in rules
    assert f"`{entry.name}`" in [name for line in kept for name in line.split(", ")]


@pytest.mark.parametrize("table", Experiment.model_fields)
def test_every_key_of_an_experiment_is_documented(table: str) -> None:
    model: Any = Experiment.model_fields[table].annotation
    text = section(read("experiment-file.md"), f"## `[{table}]`")
    for key in keys_of(model):
        assert key.description, f"{table}.{key.name} has no description"
        assert f"| `{key.name}` |" in text


@pytest.mark.parametrize(
    ("folder", "file"), [(folder, file) for folder, files in DOCUMENTS.items() for file in files], ids=str
)
def test_every_field_of_a_document_is_described(folder: str, file: str) -> None:
    page = read("records.md")
    document, *parts = object_types(DOCUMENTS[folder][file])
    article = "an" if folder == "inversion" else "a"
    assert f"### `{file}` of {article} {folder}\n\n{document.meaning}" in page
    for part in (document, *parts):
        assert part.meaning
        for field in part.fields:
            assert field.meaning, f"{part.name}.{field.name} has no description"
            assert f"| `{field.name}` | {field.type} |" in page


def test_all_kept_records_can_be_read() -> None:
    """Versions since the first one have written them."""
    runs = find_runs(DOCS / "records")
    for run in runs:
        assert run.read_environment()
        assert run.read_result()
        assert run.read_rounds()[0]["round"] == 1
    assert len(runs) > 100
