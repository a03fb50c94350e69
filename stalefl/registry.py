"""Names of data sets, models, methods, attacks and observers, as installed plugins offer them through the
hooks of ``hookspecs.py``.

A class is imported when it is first used. A plugin that fails to import is reported and skipped; two plugins that
offer one name are an error.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import pluggy
from pydantic import ValidationError

import stalefl
from stalefl import hookspecs
from stalefl.config.explain import Key, first_of, keys_of, nearest, one_line, problems, validate
from stalefl.contracts import Attack, Compensator, DatasetPlugin, Entry, InputError, ModelPlugin, Observer, Options

KINDS = ("dataset", "model", "method", "attack", "observer")
BUILTINS = "stalefl.builtins.plugin"
SOURCE_OPTION = "source"
"""The option that the argument of a name fills: ``hf:cifar10`` is ``hf`` with source = "cifar10"."""

_HOOKS = {
    "dataset": "stalefl_datasets",
    "model": "stalefl_models",
    "method": "stalefl_compensators",
    "attack": "stalefl_attacks",
    "observer": "stalefl_observers",
}
_BASES: dict[str, type[Any]] = {
    "dataset": DatasetPlugin,
    "model": ModelPlugin,
    "method": Compensator,
    "attack": Attack,
    "observer": Observer,
}
_log = logging.getLogger(__name__)


class Plugin(NamedTuple):
    """A plugin module (or object with hooks) and the package it came in."""

    module: Any
    package: str
    version: str


@dataclass(frozen=True)
class Offer:
    """One name as one package offers it."""

    kind: str
    name: str
    target: type[Any] | str
    package: str
    version: str

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}" of package {self.package} {self.version}'


@dataclass(frozen=True)
class Description:
    """What ``stalefl plugins show`` prints."""

    kind: str
    name: str
    package: str
    version: str
    summary: str
    paper: str
    options: tuple[Key, ...]


class Registry:
    """Raises InputError if two of ``plugins`` offer one name of the same kind."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._offers: dict[tuple[str, str], Offer] = {}
        for offer in _offers(plugins):
            other = self._offers.setdefault((offer.kind, offer.name), offer)
            if other is not offer:
                raise InputError(
                    f'{offer.kind} "{offer.name}" is offered by two packages, {other.package} {other.version} and '
                    f"{offer.package} {offer.version}; uninstall one of them"
                )

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of one kind: the built-in ones as they are declared, then those of other packages."""
        if kind not in KINDS:
            raise InputError(f'unknown kind of plugin "{kind}"; {nearest(kind, KINDS)}')
        return tuple(name for offered, name in self._offers if offered == kind)

    def offers(self) -> tuple[Offer, ...]:
        return tuple(self._offers.values())

    def offer(self, kind: str, name: str) -> Offer:
        """Who offers ``name``; of "hf:cifar10" only "hf" counts. Raises InputError for an unknown name."""
        plain = name.partition(":")[0]
        if offer := self._offers.get((kind, plain)):
            return offer
        raise InputError(f'unknown {kind} "{plain}"; {nearest(plain, self.names(kind))}')

    def load(self, kind: str, name: str) -> type[Any]:
        """Import the class behind ``name``. Raises InputError, naming the package, if it is missing or unfit."""
        offer = self.offer(kind, name)
        target = imported(offer)
        if problem := unfit(target, kind):
            raise InputError(f"{offer} cannot be used: {problem}")
        return target

    def create(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """The plugin's object with its options validated. Raises InputError that names the option and what is valid."""
        schema = self.load(kind, name)
        _, colon, argument = name.partition(":")
        values = {**(options or {})}
        if colon:
            values = _with_source(self.offer(kind, name), schema.Options, values, argument)
        return schema(validated_options(schema.Options, values, f'{kind} "{name}"'))

    def describe(self, kind: str, name: str) -> Description:
        """Package, paper, summary and options of ``name``. Imports its class; raises InputError as ``load`` does."""
        offer, target = self.offer(kind, name), self.load(kind, name)
        options = keys_of(target.Options)
        return Description(kind, offer.name, offer.package, offer.version, target.summary, target.paper, options)


def validated_options(schema: type[Options], values: Mapping[str, Any], owner: str) -> Options:
    """``values`` as an instance of ``schema``. Raises InputError that names the option and what is valid."""
    try:
        return validate(schema, values)
    except ValidationError as error:
        raise InputError(f"options of {owner}: {first_of(problems(error, schema, values))}") from error


@lru_cache(maxsize=1)
def load_registry() -> Registry:
    """The registry of all installed plugins, read once per process."""
    return Registry(installed_plugins())


def installed_plugins() -> list[Plugin]:
    """The built-ins first, then the modules named by entry points of the group ``stalefl``, ordered by package."""
    found = []
    for entry_point in entry_points(group=hookspecs.PROJECT):
        if entry_point.value == BUILTINS:
            continue
        package, version = (entry_point.dist.name, entry_point.dist.version) if entry_point.dist else ("unknown", "")
        try:
            found.append(Plugin(entry_point.load(), package, version))
        except Exception as error:
            _skip(package, version, error)
    # Taken directly, so that a source tree whose metadata is missing or old still has them.
    builtins = Plugin(importlib.import_module(BUILTINS), hookspecs.PROJECT, stalefl.__version__)
    return [builtins, *sorted(found, key=lambda plugin: plugin.package)]


def _skip(package: str, version: str, error: Exception) -> None:
    _log.warning("plugin package %s %s is skipped: %s", package, version, _one_line(error))
    _log.debug("its error:", exc_info=error)


def _one_line(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}")


def _offers(plugins: Iterable[Plugin]) -> Iterator[Offer]:
    """What each plugin offers; one whose hooks are unfit or fail is reported and skipped whole."""
    asked: list[Any] = []
    for plugin in plugins:
        if any(plugin.module is module for module in asked):
            continue
        asked.append(plugin.module)
        try:
            offers = offers_of(plugin)
        except Exception as error:
            _skip(plugin.package, plugin.version, error)
        else:
            yield from offers


def offers_of(plugin: Plugin) -> list[Offer]:
    """What one plugin offers. Raises whatever its hooks raise, and what pluggy says of hooks that do not exist."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin.module)
    manager.check_pending()
    offers = []
    for kind, hook in _HOOKS.items():
        for entry in (entry for entries in getattr(manager.hook, hook)() for entry in entries):
            if not (isinstance(entry, Entry) and entry.name and ":" not in entry.name):
                raise ValueError(f"{hook} gives {entry!r}; it must give Entry objects whose names have no colon")
            offers.append(Offer(kind, entry.name, entry.target, plugin.package, plugin.version))
    return offers


def imported(offer: Offer) -> Any:
    """What ``offer`` is about. Raises InputError, naming the package, if it cannot be imported."""
    if not isinstance(offer.target, str):
        return offer.target
    module, _, attribute = offer.target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        _log.debug("error of %s:", offer, exc_info=True)
        raise InputError(f"{offer} cannot be imported from {offer.target}: {_one_line(error)}") from error


def unfit(target: Any, kind: str) -> str:
    """Why ``target`` is not a usable plugin class of ``kind``; empty if it is."""
    base = _BASES[kind]
    if not (isinstance(target, type) and issubclass(target, base)):
        return f"{target!r} is not a subclass of {base.__name__}"
    schema = getattr(target, "Options", None)
    if not (isinstance(schema, type) and issubclass(schema, Options)):
        return f"{target.__name__}.Options is not a subclass of stalefl.contracts.Options"
    for name, step in vars(base).items():
        if not inspect.isfunction(step):
            continue
        own = getattr(target, name)
        if not callable(own) or not _takes(own, len(inspect.signature(step).parameters)):
            return f"{target.__name__}.{name} does not take {inspect.signature(step)} as {base.__name__} has it"
    return ""


def _takes(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    return True


def _with_source(offer: Offer, schema: type[Options], values: dict[str, Any], argument: str) -> dict[str, Any]:
    if SOURCE_OPTION not in schema.model_fields:
        raise InputError(f'{offer.kind} "{offer.name}" takes no argument; "{offer.name}:{argument}" is not valid')
    if values.get(SOURCE_OPTION, argument) != argument:
        raise InputError(f'options of {offer.kind} "{offer.name}:{argument}": source is given twice')
    return {**values, SOURCE_OPTION: argument}
