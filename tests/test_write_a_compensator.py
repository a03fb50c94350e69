"""The tutorial docs/write-a-compensator.md, carried out: its package, its tests, its commands."""

from __future__ import annotations

import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import tomli

from stalefl.cli import main
from stalefl.contracts import Compensator
from stalefl.records.run_folder import RunFolder
from stalefl.registry import load_registry
from stalefl.storage import load_weights
from stalefl.testing import COMPENSATOR_CHECKS

PAGE = (Path(__file__).parents[1] / "docs" / "write-a-compensator.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(?:`([\w./]+)`\n\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {name: text for name, _, text in BLOCK.findall(PAGE) if name}
CHANGED = ("src/stalefl_fedavgm/method.py", "tests/test_method.py")
OUTPUTS = [text for _, language, text in BLOCK.findall(PAGE) if language == "text"]
COMMANDS = re.findall(r"^stalefl (.+)$", PAGE, re.MULTILINE)
QUICK = "--rounds 3 --jobs 1 --device cpu -q --set staleness.rounds=1 --set partition.samples_per_client=10"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tutorial's package, installed as pip would: importable, with metadata that name its entry points."""
    monkeypatch.chdir(tmp_path)
    assert main([*shlex.split(COMMANDS[0]), "-q"]) == 0
    folder = tmp_path / "stalefl-fedavgm"
    for name in CHANGED:
        (folder / name).write_text(FILES[name])
    project = tomli.loads(FILES["pyproject.toml"])["project"]
    metadata = folder / "src" / "stalefl_fedavgm-0.1.0.dist-info"
    metadata.mkdir()
    facts = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(facts)
    points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["stalefl"].items())
    (metadata / "entry_points.txt").write_text(f"[stalefl]\n{points}")
    monkeypatch.syspath_prepend(folder / "src")
    load_registry.cache_clear()
    yield tmp_path
    load_registry.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "stalefl_fedavgm"]:
        del sys.modules[name]


def test_the_page_has_what_is_tested() -> None:
    assert set(FILES) == {"pyproject.toml", "src/stalefl_fedavgm/plugin.py", *CHANGED}
    assert [command.split()[:2] for command in COMMANDS] == [
        ["plugins", "new"],
        ["plugins", "show"],
        ["simulate", "--method"],
        ["plugins", "check"],
    ]


def test_what_is_not_changed_is_as_it_was_written(package: Path) -> None:
    for name in set(FILES) - set(CHANGED):
        assert (package / "stalefl-fedavgm" / name).read_text() == FILES[name]


def test_the_package_is_small() -> None:
    code = FILES["src/stalefl_fedavgm/plugin.py"] + FILES["src/stalefl_fedavgm/method.py"]
    assert len(code.splitlines()) < 60


def test_its_own_tests_pass(package: Path) -> None:
    tests: dict[str, object] = {}
    exec(compile(FILES["tests/test_method.py"], "test_method.py", "exec"), tests)
    conforms, *found = [test for name, test in tests.items() if name.startswith("test_")]
    assert len(found) == 2
    assert callable(conforms)
    for check in COMPENSATOR_CHECKS:
        conforms(check)
    for test in found:
        assert callable(test)
        test()


def test_plugins_check_prints_what_the_page_says(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(COMMANDS[3])) == 0
    assert _cells(capsys.readouterr().out) == _cells(OUTPUTS[1])


def test_it_is_found_without_importing_the_method(package: Path) -> None:
    assert "fedavgm" in [point.name for point in entry_points(group="stalefl")]
    offer = load_registry().offer("method", "fedavgm")
    assert (offer.package, offer.version) == ("stalefl-fedavgm", "0.1.0")
    assert "stalefl_fedavgm.method" not in sys.modules
    assert issubclass(load_registry().load("method", "fedavgm"), Compensator)


def test_plugins_show_prints_what_the_page_says(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(COMMANDS[1])) == 0
    assert _cells(capsys.readouterr().out) == _cells(OUTPUTS[0])


def _cells(text: str) -> list[list[str]]:
    """Words by line, without rules and empty lines: the table's width depends on the terminal."""
    return [words for line in text.splitlines() if (words := line.replace("─", "").split())]


def test_the_simulation_of_the_page_runs(package: Path) -> None:
    assert main(shlex.split(f"{COMMANDS[2]} {QUICK}")) == 0
    plain, fedavgm = (RunFolder(package / "runs" / "fedavgm" / m / "seed-0") for m in ("unweighted", "fedavgm"))
    assert [record["stale_updates"] for record in fedavgm.read_rounds()] == [0, 2, 2]
    assert [record["rejected_updates"] for record in fedavgm.read_rounds()] == [0, 0, 0]
    assert plain.read_rounds()[0]["loss"] == fedavgm.read_rounds()[0]["loss"]  # the first move has no momentum
    assert plain.read_rounds()[2]["loss"] != fedavgm.read_rounds()[2]["loss"]
    checkpoint = fedavgm.load_checkpoint()["simulation"]
    velocity = checkpoint["method_state"]["velocity"]
    assert velocity.shape == checkpoint["weights"].shape
    assert load_weights(fedavgm.weights)


def test_a_wrong_option_is_one_line(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(f"simulate --method fedavgm --set method.options.bta=0.5 {QUICK}")) == 2
    assert 'unknown "bta"; did you mean "beta"?' in capsys.readouterr().err


def test_every_step_is_in_the_contract() -> None:
    steps = [name for name, step in vars(Compensator).items() if inspect.isfunction(step) and name != "__init__"]
    for name in steps:
        arguments = list(inspect.signature(getattr(Compensator, name)).parameters)[1:]
        assert f"| `{name}({', '.join(arguments)})` |" in PAGE
