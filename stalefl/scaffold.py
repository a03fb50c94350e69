"""A package with a working plugin, to change into one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from stalefl.config.explain import nearest
from stalefl.contracts import InputError
from stalefl.registry import KINDS, load_registry
from stalefl.storage import write_whole

TEMPLATES = Path(__file__).parent / "templates" / "plugin"
VALID_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "stalefl-"


@dataclass(frozen=True)
class NewPackage:
    """What was written. ``name`` is the plugin's, ``package`` what pip calls the package."""

    kind: str
    name: str
    folder: Path
    files: tuple[Path, ...] = ()

    @property
    def package(self) -> str:
        return PREFIX + self.name

    @property
    def module(self) -> str:
        return self.package.replace("-", "_")

    @property
    def class_name(self) -> str:
        """As MyMethod; the kind at its end keeps it apart from names of stalefl and Python."""
        return "".join(part.capitalize() for part in [*self.name.split("-"), self.kind])

    @property
    def next_steps(self) -> str:
        return (
            f"{self.folder}: package {self.package}, its {self.kind} in src/{self.module}/{self.kind}.py. Next:\n"
            f"  python -m pip install --editable {self.folder}\n"
            f"  stalefl plugins check {self.package}\n"
            f"  python -m pytest {self.folder}"
        )

    def contents(self) -> dict[str, str]:
        """Paths in the package and what stands in each."""
        place = f"src/{self.module}"
        templates = {
            "pyproject.toml": "pyproject.toml",
            "README.md": "README.md",
            f"{place}/plugin.py": "plugin.py",
            f"{place}/{self.kind}.py": f"{self.kind}.py",
            f"tests/test_{self.kind}.py": f"test_{self.kind}.py",
        }
        return {f"{place}/__init__.py": "", **{path: self._filled(name) for path, name in templates.items()}}

    def _filled(self, template: str) -> str:
        hooks = {
            "method": "compensators",
            "model": "models",
            "dataset": "datasets",
            "attack": "attacks",
            "observer": "observers",
        }
        return Template((TEMPLATES / f"{template}.in").read_text(encoding="utf-8")).substitute(
            name=self.name,
            package=self.package,
            module=self.module,
            kind=self.kind,
            hook=f"stalefl_{hooks[self.kind]}",
            class_name=self.class_name,
        )


def write_package(folder: Path, name: str | None = None, kind: str = "method") -> NewPackage:
    """Write a package with a plugin ``name`` (default: after the folder) of ``kind`` into ``folder``, new or empty.

    Raises InputError, before anything is written, if it is not empty, or for a name or kind that is not valid.
    """
    if kind not in KINDS:
        raise InputError(f"--kind {kind}: unknown; {nearest(kind, KINDS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder; valid: a new folder, or an empty one")
    name = name if name is not None else folder.resolve().name.removeprefix(PREFIX)
    _check_name(name, kind)
    package = NewPackage(kind, name, folder)
    for path, text in package.contents().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / path, text.encode())
    return NewPackage(kind, name, folder, tuple(folder / path for path in package.contents()))


def _check_name(name: str, kind: str) -> None:
    if not VALID_NAME.fullmatch(name):
        raise InputError(
            f'--name "{name}" is not valid; valid: small letters, digits, single hyphens, a letter first, as my-{kind}'
        )
    registry = load_registry()
    if name in registry.names(kind):
        raise InputError(f"--name {name}: there is a {registry.offer(kind, name)}; choose another name")
