"""Packages that ``stalefl plugins new`` writes: whole, checked, usable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli

import stalefl
from stalefl import hookspecs
from stalefl.cli import main
from stalefl.contracts import InputError
from stalefl.registry import KINDS, Plugin, load_registry, offers_of
from stalefl.scaffold import NewPackage, write_package

Installed = Callable[[str], NewPackage]
ROOT = Path(stalefl.__file__).parents[1]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """Writes a package and makes it importable, with metadata that name its entry points, as pip would."""
    modules: list[str] = []

    def install(kind: str) -> NewPackage:
        package = write_package(tmp_path / "package", f"demo-{kind}", kind)
        project = tomli.loads((package.folder / "pyproject.toml").read_text())["project"]
        source = package.folder / "src"
        metadata = source / f"{package.module}-{project['version']}.dist-info"
        metadata.mkdir()
        facts = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (metadata / "METADATA").write_text(facts)
        points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["stalefl"].items())
        (metadata / "entry_points.txt").write_text(f"[stalefl]\n{points}")
        monkeypatch.syspath_prepend(source)
        modules.append(package.module)
        load_registry.cache_clear()
        return package

    yield install
    load_registry.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in modules]:
        del sys.modules[name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_passes_all_checks(kind: str, installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    package = installed(kind)
    assert main(["plugins", "check", package.package, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["kind"], each["name"]) for each in found["plugins"]] == [
        ("package", package.package),
        (kind, package.name),
    ]
    assert "failed" not in {finding["status"] for each in found["plugins"] for finding in each["findings"]}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "method" else pytest.mark.slow) for kind in KINDS]
)
def test_its_own_tests_pass(kind: str, tmp_path: Path) -> None:
    package = write_package(tmp_path / "package", f"demo-{kind}", kind)
    path = os.pathsep.join([str(package.folder / "src"), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package.folder)]
    run = subprocess.run(command, cwd=package.folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert run.returncode == 0, run.stdout.decode()
    assert b"passed" in run.stdout


def test_the_templates_use_every_hook(installed: Installed) -> None:
    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")}
    texts = [NewPackage(kind, "demo", Path()).contents()["src/stalefl_demo/plugin.py"] for kind in KINDS]
    assert {hook for hook in hooks if any(f"def {hook}(" in text for text in texts)} == hooks


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_formatted_as_stalefl_is(kind: str, tmp_path: Path) -> None:
    package = write_package(tmp_path / "package", "demo", kind)
    for line in [line for path in package.files for line in path.read_text().splitlines()]:
        assert len(line) <= 120


def test_the_name_follows_from_the_folder(tmp_path: Path) -> None:
    package = write_package(tmp_path / "stalefl-half-life")
    assert (package.name, package.package, package.class_name) == (
        "half-life",
        "stalefl-half-life",
        "HalfLifeMethod",
    )
    module = __import__("importlib.util").util
    spec = module.spec_from_file_location("demo_plugin", package.folder / "src" / "stalefl_half_life" / "plugin.py")
    plugin = module.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    (offer,) = offers_of(Plugin(plugin, "stalefl-half-life", "0.1.0"))
    assert (offer.kind, offer.name, offer.target) == ("method", "half-life", "stalefl_half_life.method:HalfLifeMethod")


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("Mine", "method", '--name "Mine" is not valid; valid: small letters, digits, single hyphens, a letter first'),
        ("3d", "model", '--name "3d" is not valid'),
        ("a--b", "method", '--name "a--b" is not valid'),
        ("a_b", "method", '--name "a_b" is not valid'),
        ("", "method", '--name "" is not valid'),
        (
            "mine",
            "modle",
            '--kind modle: unknown; did you mean "model"? Valid: dataset, model, method, attack, observer',
        ),
        ("weighted", "method", '--name weighted: there is a method "weighted" of package stalefl'),
    ],
)
def test_bad_names_are_refused_before_anything_is_written(name: str, kind: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_package(tmp_path / "package", name, kind)
    assert str(caught.value).startswith(said)
    assert not (tmp_path / "package").exists()


def test_a_name_may_be_that_of_another_kind(tmp_path: Path) -> None:
    assert write_package(tmp_path / "package", "weighted", "model").class_name == "WeightedModel"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_kept(kind: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine" if kind == "file" else tmp_path / "mine" / "notes.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match="is not an empty folder; valid: a new folder, or an empty one"):
        write_package(tmp_path / "mine", "mine")
    assert mine.read_text() == "mine"


def test_the_command_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "stalefl-mine"
    assert main(["plugins", "new", str(folder), "--kind", "model"]) == 0
    out = capsys.readouterr().out
    assert f"pip install --editable {folder}" in out
    assert "stalefl plugins check stalefl-mine" in out
    assert (folder / "src" / "stalefl_mine" / "model.py").is_file()


def test_the_command_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", str(tmp_path / "x"), "--name", "mine", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["package"], document["kind"]) == ("stalefl-mine", "method")
    assert sorted(document["files"]) == [
        "README.md",
        "pyproject.toml",
        "src/stalefl_mine/__init__.py",
        "src/stalefl_mine/method.py",
        "src/stalefl_mine/plugin.py",
        "tests/test_method.py",
    ]


@pytest.mark.slow
def test_a_new_package_is_installed_and_used_in_a_clean_environment(tmp_path: Path) -> None:
    """As a user would, but for torch and the like, which are seen from this environment."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    # What this environment has, after what the clean one has; --system-site-packages would give the base Python's.
    (site / "outer.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path) + "\n")
    package = write_package(tmp_path / "stalefl-mine")

    def call(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        run = subprocess.run([python, "-m", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    call("pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", str(package.folder))
    listed = json.loads(call("stalefl", "plugins", "--kind", "method", "--json"))
    assert ("mine", "stalefl-mine") in [(each["name"], each["package"]) for each in listed]
    assert json.loads(call("stalefl", "plugins", "check", "stalefl-mine", "--json"))["passed"]
    call("pytest", "-q", "-p", "no:cacheprovider", str(package.folder / "tests"))
    quick = "--rounds 2 --jobs 1 --device cpu --set partition.samples_per_client=10 --set method.options.a=1"
    call("stalefl", "simulate", "--method", "mine", *quick.split(), "--out", str(tmp_path / "run"))
    assert json.loads((tmp_path / "run" / "result.json").read_text())["method"] == "mine"
