"""The code of docs/write-a-plugin.md is carried out, and the page names all of the kit."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from stalefl import hookspecs, testing
from stalefl.cli import main
from stalefl.contracts import Attack, DatasetPlugin, ModelPlugin, Observer

PAGE = (Path(__file__).parents[1] / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^stalefl (.+)$", PAGE, re.MULTILINE)


def test_the_plugins_of_the_page_conform() -> None:
    names: dict[str, Any] = {}
    for part in CODE:
        exec(compile(part, "write-a-plugin.md", "exec"), names)
    for test, checks in [
        ("test_the_model_conforms", testing.MODEL_CHECKS),
        ("test_the_data_set_conforms", testing.DATASET_CHECKS),
        ("test_the_attack_conforms", testing.ATTACK_CHECKS),
        ("test_the_observer_conforms", testing.OBSERVER_CHECKS),
    ]:
        for check in checks:
            names[test](check)
    names["test_all_at_once"]()


def test_the_command_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [command.split()[:2] for command in COMMANDS] == [["plugins", "new"], ["plugins", "check"]]
    assert main([*shlex.split(COMMANDS[0]), "-q"]) == 0
    assert (tmp_path / "stalefl-mine" / "src" / "stalefl_mine" / "model.py").is_file()


@pytest.mark.parametrize("name", testing.__all__)
def test_all_of_the_kit_is_named(name: str) -> None:
    assert re.search(rf"`{name}\b", PAGE)


@pytest.mark.parametrize("base", [ModelPlugin, DatasetPlugin, Attack, Observer], ids=lambda base: base.__name__)
def test_every_step_is_named(base: type[Any]) -> None:
    for name, step in vars(base).items():
        if inspect.isfunction(step) and name != "__init__":
            arguments = ", ".join(list(inspect.signature(step).parameters)[1:])
            assert f"`{name}({arguments})`" in PAGE


def test_every_hook_is_named() -> None:
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")]
    assert [hook for hook in hooks if f"`{hook}`" not in PAGE] == []
