from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stalefl.cli import main
from stalefl.registry import KINDS, load_registry


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a successful ``stalefl plugins`` prints on stdout."""
    assert main(["plugins", *arguments]) == 0
    return capsys.readouterr().out


def test_all_plugins_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(output(capsys, "--json"))
    registry = load_registry()
    assert [(item["kind"], item["name"]) for item in listed] == [(k, n) for k in KINDS for n in registry.names(k)]


def test_the_table_has_name_package_summary_and_paper(capsys: pytest.CaptureFixture[str]) -> None:
    out = output(capsys, "--kind", "method")
    line = next(line for line in out.splitlines() if " inversion " in line)
    assert "stalefl 0." in line
    assert "gradient inversion" in line
    assert "AAAI 2025" in line
    assert "lenet" not in out


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_is_listed(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = [(item["kind"], item["name"]) for item in json.loads(output(capsys, "--kind", kind, "--json"))]
    assert listed == [(kind, name) for name in load_registry().names(kind)]


def test_show_prints_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    words = output(capsys, "show", "w-pred").split()
    assert {"w-pred", "(method)", "stalefl", "gamma", "0.9", "number"} <= set(words)


def test_show_of_a_model_names_its_parameters_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "show", "mlp")
    assert "shapes for inputs [4] and 3 classes" in shown
    assert "1.weight [200, 4], 1.bias [200], 3.weight [200, 200], 3.bias [200], 5.weight [3, 200], 5.bias [3]" in shown


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = json.loads(output(capsys, "show", "lenet", "--json"))
    assert (record["kind"], record["package"]) == ("model", "stalefl")
    assert record["options"][0]["name"] == "dropout"
    assert set(record["options"][0]) == {"name", "type", "default", "description"}


def test_show_of_a_plugin_without_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert "options  none" in output(capsys, "show", "unstale")


def test_show_takes_a_name_with_its_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "show", "hf:some/name") == output(capsys, "show", "hf")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "inversoin"], 'unknown plugin "inversoin"; did you mean "inversion"? Valid: digits, '),
        (["--kind", "modle"], 'unknown kind of plugin "modle"; did you mean "model"? Valid: dataset, model, method'),
    ],
)
def test_unknown_names_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", *arguments]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert said in streams.err


# --- check ----------------------------------------------------------------------------------------------------------

Offering = Callable[[str, str], None]
METHOD = """
from stalefl.contracts import Compensator, Entry
from stalefl.hookspecs import hookimpl

class Mine(Compensator):
    summary = "mine"

@hookimpl
def stalefl_compensators():
    return [Entry("{name}", Mine)]
"""


@pytest.fixture
def offering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offering]:
    """Installs a package that consists of one module with the given code."""
    modules: list[str] = []

    def install(package: str, code: str) -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        metadata = tmp_path / f"{module}-1.5.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
        (metadata / "entry_points.txt").write_text(f"[stalefl]\nmine = {module}\n")
        modules.append(module)

    monkeypatch.syspath_prepend(tmp_path)
    load_registry.cache_clear()
    yield install
    load_registry.cache_clear()
    for module in modules:
        sys.modules.pop(module, None)


def checked(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> dict[str, dict[str, str]]:
    """By plugin the checks of ``stalefl plugins check`` and, for those not passed, why."""
    assert main(["plugins", "check", *arguments, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["passed"] == (code == 0)
    return {
        each["name"]: {f["check"]: f["text"] or f["status"] for f in each["findings"]} for each in document["plugins"]
    }


def test_check_of_one_plugin_with_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    found = checked(capsys, 0, "weighted", "--option", "a=0.5", "--option", "weighted.b=3")
    assert list(found) == ["weighted"]
    assert set(found["weighted"].values()) == {"passed"}
    assert len(found["weighted"]) == 12


def test_check_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    out = output(capsys, "check", "mlp")
    assert ["model", "mlp", "class", "passed"] in [line.split() for line in out.splitlines()]
    assert "10 passed, 0 failed, 0 with a note" in out


def test_check_of_data_that_are_not_there_is_a_note(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = checked(capsys, 0, "mnist", "--data-dir", str(tmp_path))
    assert found["mnist"]["it loads"].startswith("no further check: mnist: ")


def test_check_of_a_package(offering: Offering, capsys: pytest.CaptureFixture[str]) -> None:
    offering("Other-Package", METHOD.format(name="mine"))
    found = checked(capsys, 0, "other_package")
    assert list(found) == ["Other-Package", "mine"]
    assert found["Other-Package"] == {"Other_Package loads": "passed", "names are free": "passed"}


def test_a_failed_check_is_exit_code_1(offering: Offering, capsys: pytest.CaptureFixture[str]) -> None:
    offering("other", METHOD.format(name="mine").replace('summary = "mine"', 'summary = ""'))
    assert main(["plugins", "check", "mine"]) == 1
    assert "Mine.summary is empty; say in a few words what it is" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("code", "check", "said"),
    [
        (METHOD.format(name="weighted"), "names are free", 'method "weighted" of package stalefl '),
        ("import no_such_module", "other loads", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            METHOD.replace("stalefl_compensators", "stalefl_methods"),
            "other loads",
            "PluginValidationError: unknown hook",
        ),
        (METHOD.format(name="a:b"), "other loads", "it must give Entry objects whose names have no colon"),
        (METHOD.replace("Entry(", "dict(name="), "other loads", "SyntaxError"),
    ],
)
def test_packages_that_cannot_be_used(
    code: str, check: str, said: str, offering: Offering, capsys: pytest.CaptureFixture[str]
) -> None:
    offering("other", code)
    assert said in checked(capsys, 1, "other", "-q")["other"][check]


def test_a_class_that_cannot_be_imported_or_used(offering: Offering, capsys: pytest.CaptureFixture[str]) -> None:
    entries = 'Entry("gone", "other:Gone"), Entry("number", "other:NUMBER")'
    offering("other", METHOD.replace('Entry("{name}", Mine)', entries) + "\nNUMBER = 5\n")
    found = checked(capsys, 1, "other")
    assert "cannot be imported from other:Gone" in found["gone"]["class"]
    assert found["number"]["class"].startswith("5 is not a subclass of Compensator")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wieghted"], '"wieghted" is neither a package with plugins nor a plugin; did you mean "weighted"? Valid: '),
        (["weighted", "--option", "c=1"], "--option c: nothing here has it; valid: a, b, fresh_by_formula"),
        (["weighted", "--option", "mlp.a=1"], "--option mlp.a: nothing here has it"),
        (["weighted", "--option", "a"], "--option a: valid: --option KEY=VALUE"),
        (["weighted", "--option", "a=no"], 'a = "no" is not valid; valid: number'),
    ],
)
def test_bad_input_of_check(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "check", *arguments]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert said in streams.err
