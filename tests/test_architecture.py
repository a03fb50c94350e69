"""Walls that ``lint-imports`` cannot see: what is loaded at run time. And that it sees those which it should."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from grimp import ImportGraph, build_graph
from importlinter.application.use_cases import read_user_options
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

HEAVY = {"torch", "torchvision", "datasets", "sklearn", "matplotlib", "pandas", "safetensors"}


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in memory after ``statement`` has run in a fresh interpreter."""
    code = f"{statement}\nimport sys; print('loaded:', *{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import stalefl.contracts, stalefl.hookspecs, stalefl.config, stalefl.registry, stalefl.cli",
        "from stalefl.cli import main; assert main(['--help']) == main(['simulate', '--help']) == 0",
    ],
    ids=["import", "help"],
)
def test_the_command_line_starts_without_heavy_libraries(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "stalefl" in loaded
    assert not loaded & HEAVY


def test_what_a_worker_process_loads_draws_nothing() -> None:
    loaded = loaded_by("import stalefl.run.tasks")
    assert "torch" in loaded
    assert not loaded & {"matplotlib", "rich", "pyarrow", "pandas", "scipy", "sklearn"}


def test_heavy_libraries_would_be_seen() -> None:
    assert "torch" in loaded_by("import stalefl.training.model")


# --- what attacks and methods reach ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return build_graph("stalefl", include_external_packages=True)


@pytest.fixture(scope="module")
def wall() -> ForbiddenContract:
    """The contract of pyproject.toml that keeps attacks and methods from the truth."""
    configure()
    options = read_user_options(str(PYPROJECT))
    found: dict[str, Any] = next(each for each in options.contracts_options if each["name"].startswith("A method, or"))
    return ForbiddenContract(found["name"], options.session_options, found)


def test_attacks_and_methods_reach_no_truth(graph: ImportGraph, wall: ForbiddenContract) -> None:
    assert wall.check(graph=deepcopy(graph), verbose=False).kept


@pytest.mark.parametrize("importer", ["builtins.attacks.dlg", "leakage.last_layer", "builtins.compensators.inversion"])
@pytest.mark.parametrize("imported", ["audit.measure.images", "data.adapt", "run.parts", "updates.observed"])
def test_an_import_over_the_wall_is_reported(
    graph: ImportGraph, wall: ForbiddenContract, importer: str, imported: str
) -> None:
    wrong = deepcopy(graph)
    wrong.add_import(importer=f"stalefl.{importer}", imported=f"stalefl.{imported}")
    assert not wall.check(graph=wrong, verbose=False).kept


# --- a house to live in ---------------------------------------------------------------------------------------------

PACKAGE = PYPROJECT.parent / "stalefl"
MOST_LINES, MOST_FUNCTION_LINES, MOST_LOOSE_MODULES = 350, 60, 10
SAID_TWICE = {"logger", "stalefl_attacks", "stalefl_compensators", "stalefl_datasets", "stalefl_models"}
"""Each file's own logger, and the hooks, whose specification and implementation must have one name."""


def modules() -> Iterator[tuple[str, ast.Module, int]]:
    """Path below the package, content and number of lines of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield str(path.relative_to(PACKAGE)), ast.parse(text), text.count("\n")


def public_names(module: ast.Module) -> Iterator[str]:
    """What a module defines at its top, without a leading underscore."""
    for node in module.body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found = [name]
            case ast.Assign(targets=targets):
                found = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found = [name]
            case _:
                found = []
        yield from (name for name in found if not name.startswith("_"))


def test_every_public_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for path, module, _ in modules():
        for name in set(public_names(module)):
            places[name].append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1 and name not in SAID_TWICE} == {}


def test_files_and_functions_are_short() -> None:
    """A command's options are its parameters; they may be many, so that the lines of its body count."""
    long = [path for path, _, lines in modules() if lines > MOST_LINES]
    for path, module, _ in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0].lineno if path.startswith("cli/") else node.lineno
                if node.end_lineno is not None and node.end_lineno - first >= MOST_FUNCTION_LINES:
                    long.append(f"{path}: {node.name}")
    assert long == []


def test_few_modules_lie_loose() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_LOOSE_MODULES
