from __future__ import annotations

import importlib.metadata
import itertools
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import Field

from stalefl.contracts import Compensator, DatasetPlugin, Entry, InputError, Options
from stalefl.hookspecs import hookimpl
from stalefl.registry import KINDS, Plugin, Registry, installed_plugins, load_registry

numbers = itertools.count()


class Damped(Compensator):
    summary = "takes a share of every update"
    paper = "Nobody, 2020"

    class Options(Options):
        share: float = Field(0.5, gt=0, le=1, description="the share that is taken")


class Folder(DatasetPlugin):
    class Options(Options):
        source: str = ""


def module(**hooks: Any) -> ModuleType:
    """A plugin module with these hooks."""
    made = ModuleType(f"plugin_{next(numbers)}")
    vars(made).update({name: hookimpl(function) for name, function in hooks.items()})
    return made


def methods(*entries: Any) -> ModuleType:
    """A plugin module that offers these methods."""
    return module(stalefl_compensators=lambda: list(entries))


def registry_of(*entries: Any) -> Registry:
    return Registry([Plugin(methods(*entries), "stalefl-damped", "1.2")])


def refusal(registry: Registry, kind: str, name: str, options: dict[str, Any] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        registry.create(kind, name, options)
    return str(caught.value)


def test_a_class_or_its_address_is_created_with_its_options() -> None:
    registry = registry_of(Entry("damped", Damped), Entry("plain", "stalefl.contracts:Compensator"))
    assert registry.names("method") == ("damped", "plain")
    assert registry.names("model") == ()
    assert registry.create("method", "damped", {"share": 1}).options.share == 1.0
    assert registry.create("method", "damped").options.share == 0.5
    assert type(registry.create("method", "plain")) is Compensator


def test_a_class_is_imported_only_on_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_module.py").write_text("from stalefl.contracts import Compensator\nclass M(Compensator): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = registry_of(Entry("late", "late_module:M"))
    assert "late_module" not in sys.modules
    assert registry.load("method", "late").__name__ == "M"
    sys.modules.pop("late_module")


def test_a_description_has_package_paper_and_options() -> None:
    record = registry_of(Entry("damped", Damped)).describe("method", "damped")
    assert (record.package, record.version, record.paper) == ("stalefl-damped", "1.2", "Nobody, 2020")
    assert record.summary == "takes a share of every update"
    assert [(o.name, o.type, o.default, o.description) for o in record.options] == [
        ("share", "number > 0 and <= 1", "0.5", "the share that is taken")
    ]


def test_the_argument_of_a_name_is_its_source() -> None:
    plugin = module(stalefl_datasets=lambda: [Entry("folder", Folder)])
    registry = Registry([Plugin(plugin, "p", "1")])
    assert registry.create("dataset", "folder:a:b").options.source == "a:b"
    assert registry.create("dataset", "folder", {"source": "c"}).options.source == "c"
    assert registry.create("dataset", "folder:c", {"source": "c"}).options.source == "c"
    assert "source is given twice" in refusal(registry, "dataset", "folder:a", {"source": "b"})
    assert "takes no argument" in refusal(registry_of(Entry("damped", Damped)), "method", "damped:x")


@pytest.mark.parametrize(
    ("kind", "name", "options", "said"),
    [
        ("method", "dampd", {}, 'unknown method "dampd"; did you mean "damped"? Valid: damped'),
        ("method", "", {}, 'unknown method ""; valid: damped'),
        ("model", "damped", {}, 'unknown model "damped"; valid: none'),
        ("modle", "damped", {}, 'unknown kind of plugin "modle"; did you mean "model"?'),
        ("method", "damped", {"shar": 1}, 'options of method "damped": unknown "shar"; did you mean "share"?'),
        ("method", "damped", {"share": 2}, "share = 2 is not valid; valid: number > 0 and <= 1"),
        ("method", "damped", {"share": "a"}, 'share = "a" is not valid'),
        ("method", "damped", {"share": float("nan")}, "share = nan is not valid"),
    ],
)
def test_unknown_names_and_options_are_refused(kind: str, name: str, options: dict[str, Any], said: str) -> None:
    assert said in refusal(registry_of(Entry("damped", Damped)), kind, name, options)


def test_two_packages_with_one_name_are_refused() -> None:
    plugins = [Plugin(methods(Entry("damped", Damped)), name, "1") for name in ("one", "two")]
    with pytest.raises(InputError, match='method "damped" is offered by two packages, one 1 and two 1'):
        Registry(plugins)


def test_one_name_may_be_a_method_and_a_data_set() -> None:
    both = module(
        stalefl_datasets=lambda: [Entry("same", Folder)],
        stalefl_compensators=lambda: [Entry("same", Damped)],
    )
    registry = Registry([Plugin(both, "p", "1")])
    assert [registry.names(kind) for kind in KINDS] == [("same",), (), ("same",), (), ()]


def test_a_plugin_given_twice_counts_once() -> None:
    plugin = Plugin(methods(Entry("damped", Damped)), "p", "1")
    assert Registry([plugin, plugin]).names("method") == ("damped",)


# --- unfit classes --------------------------------------------------------------------------------------------------


class WrongSignature(Compensator):
    def compensate(self, update: Any) -> Any:
        return update


class WrongOptions(Compensator):
    Options = dict  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Folder, "is not a subclass of Compensator"),
        (3, "3 is not a subclass of Compensator"),
        (WrongSignature, "WrongSignature.compensate does not take (self, update"),
        (WrongOptions, "WrongOptions.Options is not a subclass of stalefl.contracts.Options"),
        ("no.such.module:X", "cannot be imported from no.such.module:X: ModuleNotFoundError"),
        ("stalefl.contracts:Nothing", "cannot be imported from stalefl.contracts:Nothing: AttributeError"),
        ("stalefl.contracts", "cannot be imported"),
        ("stalefl.contracts:DatasetPlugin", "is not a subclass of Compensator"),
    ],
)
def test_an_unfit_class_is_refused_naming_the_package(target: Any, said: str) -> None:
    message = refusal(registry_of(Entry("bad", target)), "method", "bad")
    assert said in message
    assert message.startswith('method "bad" of package stalefl-damped 1.2 cannot be')


def test_a_step_with_further_optional_arguments_is_fit() -> None:
    class Wider(Compensator):
        def refine(self, weights: Any, view: Any, state: Any, passes: int = 1) -> Any:
            return weights, state

    assert registry_of(Entry("wider", Wider)).load("method", "wider") is Wider


# --- broken plugins -------------------------------------------------------------------------------------------------


def failing() -> list[Entry]:
    raise OSError("no disk\nat all")


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (module(stalefl_compensators=failing), "OSError: no disk at all"),
        (module(stalefl_compensator=failing), "unknown hook 'stalefl_compensator'"),
        (module(stalefl_compensators=lambda much: []), "much"),
        (methods(("damped", Damped)), "must give Entry objects"),
        (methods(Entry("a:b", Damped)), "names have no colon"),
        (methods(Entry("", Damped)), "must give Entry objects"),
    ],
)
def test_a_broken_plugin_is_reported_and_skipped(plugin: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    good = Plugin(methods(Entry("damped", Damped)), "good", "1")
    with caplog.at_level(logging.WARNING, logger="stalefl"):
        registry = Registry([Plugin(plugin, "broken", "0.3"), good])
    assert registry.names("method") == ("damped",)
    assert [record.message.startswith("plugin package broken 0.3 is skipped: ") for record in caplog.records] == [True]
    assert said in caplog.text


# --- what is installed ----------------------------------------------------------------------------------------------


def install(folder: Path, package: str, code: str) -> None:
    """What an installer leaves behind: a module, and metadata with an entry point."""
    name = package.replace("-", "_")
    (folder / f"{name}.py").write_text(code)
    metadata = folder / f"{name}-0.7.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.7\n")
    (metadata / "entry_points.txt").write_text(f"[stalefl]\nmine = {name}\n")


OFFERS_ECHO = """
from stalefl.contracts import Entry, Compensator
from stalefl.hookspecs import hookimpl

@hookimpl
def stalefl_compensators():
    return [Entry("echo", Compensator)]
"""


def test_installed_packages_come_after_the_builtins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "late-echo", OFFERS_ECHO)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry(installed_plugins())
    assert registry.names("method")[0] == "unstale"
    assert "echo" in registry.names("method")
    assert registry.offer("method", "echo").package == "late-echo"
    assert registry.offer("method", "echo").version == "0.7"


def test_a_package_that_does_not_import_is_reported_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "late-broken", "import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    with caplog.at_level(logging.WARNING, logger="stalefl"):
        found = installed_plugins()
    assert "late-broken" not in [plugin.package for plugin in found]
    assert (
        "plugin package late-broken 0.7 is skipped: ModuleNotFoundError: No module named 'no_such_module'"
        in caplog.text
    )


def test_the_builtins_are_found_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **_: iter(()))
    plugins = installed_plugins()
    assert [plugin.package for plugin in plugins] == ["stalefl"]
    assert "inversion" in Registry(plugins).names("method")


def test_the_registry_is_read_once() -> None:
    assert load_registry() is load_registry()


@pytest.mark.parametrize("kind", KINDS)
def test_every_builtin_can_be_described_and_made_with_its_defaults(kind: str) -> None:
    registry = load_registry()
    for name in registry.names(kind):
        record = registry.describe(kind, name)
        assert record.summary, name
        assert all(option.description for option in record.options), name
        registry.create(kind, name)
