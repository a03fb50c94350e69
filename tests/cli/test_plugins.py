from __future__ import annotations

import json

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
    assert {item["kind"] for item in json.loads(output(capsys, "--kind", kind, "--json"))} == {kind}


def test_show_prints_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    words = output(capsys, "show", "w-pred").split()
    assert {"w-pred", "(method)", "stalefl", "gamma", "0.9", "number"} <= set(words)


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
