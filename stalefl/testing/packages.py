"""Checks of everything that an installed package offers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import stalefl
from stalefl.config.explain import nearest, one_line
from stalefl.contracts import DataContext, InputError
from stalefl.hookspecs import PROJECT
from stalefl.registry import (
    BUILTINS,
    Offer,
    Plugin,
    Registry,
    imported,
    installed_plugins,
    offers_of,
)
from stalefl.testing.attacks import ATTACK_CHECKS
from stalefl.testing.compensators import COMPENSATOR_CHECKS
from stalefl.testing.datasets import DATASET_CHECKS
from stalefl.testing.findings import FAILED, PASSED, Check, Finding, findings
from stalefl.testing.models import MODEL_CHECKS
from stalefl.testing.observers import OBSERVER_CHECKS

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "dataset": tuple(DATASET_CHECKS),
    "model": tuple(MODEL_CHECKS),
    "method": tuple(COMPENSATOR_CHECKS),
    "attack": tuple(ATTACK_CHECKS),
    "observer": tuple(OBSERVER_CHECKS),
}


@dataclass(frozen=True)
class CheckedOffer:
    """What was found of one name, or, with the kind ``package``, of the package itself."""

    kind: str
    name: str
    package: str
    version: str
    findings: tuple[Finding, ...]


def check_installed(
    name: str,
    options: Mapping[str, Any],
    context: DataContext,
    on_begin: Callable[[str], None] = lambda what: None,
) -> Iterator[CheckedOffer]:
    """Check all that the package ``name`` offers, or the plugins of that name.

    ``options`` go to each plugin that has them; ``NAME.KEY`` means the plugin NAME alone. Raises InputError for a name
    that is not installed, and for options that nothing has or that are not valid.
    """
    offers: list[Offer] = []
    if package := _package(name):
        checked, offers = _checked_package(package)
        yield checked
    else:
        offers = _named(name)
    _check_options_known(options, offers)
    for offer in offers:
        on_begin(f"{offer.kind} {offer.name}")
        yield CheckedOffer(offer.kind, offer.name, offer.package, offer.version, _found(offer, options, context))


def _package(name: str) -> str:
    """The package of that name that has plugins, as it is written itself; empty if there is none."""
    return next((package for package in _packages() if _normal(package) == _normal(name)), "")


def _packages() -> list[str]:
    dists = [point.dist.name for point in entry_points(group=PROJECT) if point.dist]
    return list(dict.fromkeys([PROJECT, *sorted(dists)]))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _checked_package(package: str) -> tuple[CheckedOffer, list[Offer]]:
    """The package's own checks, in which it is asked what it offers."""
    offers: list[Offer] = []
    found, version = [], stalefl.__version__
    for point, version in _modules(package):
        try:
            offers += offers_of(Plugin(importlib.import_module(point), package, version))
            found.append(Finding(f"{point} loads", PASSED))
        except Exception as error:
            found.append(Finding(f"{point} loads", FAILED, one_line(f"{type(error).__name__}: {error}")))
    return CheckedOffer("package", package, package, version, (*found, _names_are_free(package, offers))), offers


def _modules(package: str) -> list[tuple[str, str]]:
    """The modules that a package names in its entry points, and its version."""
    if package == PROJECT:
        return [(BUILTINS, stalefl.__version__)]
    points = [point for point in entry_points(group=PROJECT) if point.dist and point.dist.name == package]
    return [(point.value, point.dist.version) for point in points if point.dist]


def _names_are_free(package: str, offers: list[Offer]) -> Finding:
    """No other package offers one of the names, nor this one twice."""
    own = [(offer.kind, offer.name) for offer in offers]
    others = [o for plugin in installed_plugins() if plugin.package != package for o in _offers_or_none(plugin)]
    problems = [f'{kind} "{name}" is offered twice' for kind, name in dict.fromkeys(own) if own.count((kind, name)) > 1]
    problems += [f"{other} has this name too; choose another" for other in others if (other.kind, other.name) in own]
    return Finding("names are free", FAILED if problems else PASSED, "; ".join(problems))


def _offers_or_none(plugin: Plugin) -> list[Offer]:
    try:
        return offers_of(plugin)
    except Exception:  # of another package, which is reported when that is checked
        return []


def _named(name: str) -> list[Offer]:
    """All plugins of that name, whatever their kind. Raises InputError if there is none."""
    offers = Registry(installed_plugins()).offers()
    if found := [offer for offer in offers if offer.name == name.partition(":")[0]]:
        return found
    valid = [*_packages(), *dict.fromkeys(offer.name for offer in offers)]
    raise InputError(f'"{name}" is neither a package with plugins nor a plugin; {nearest(name, valid)}')


def _found(offer: Offer, options: Mapping[str, Any], context: DataContext) -> tuple[Finding, ...]:
    try:
        target = imported(offer)
    except InputError as error:
        return (Finding("class", FAILED, str(error)),)
    where = {"dataset": (context,), "model": (None,)}.get(offer.kind, ())
    return tuple(findings(CHECKS[offer.kind], target, _own(offer, options), *where))


def _own(offer: Offer, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``options`` that are meant for a plugin, by their plain names."""
    split = [(*key.rpartition("."), value) for key, value in options.items()]
    fields = _fields(offer)
    return {key: value for name, _, key, value in split if key in fields and name in ("", offer.name)}


def _fields(offer: Offer) -> list[str]:
    try:
        return list(imported(offer).Options.model_fields)
    except (InputError, AttributeError):  # for the checks to report
        return []


def _check_options_known(options: Mapping[str, Any], offers: list[Offer]) -> None:
    for key in options:
        if not any(_own(offer, {key: None}) for offer in offers):
            known = dict.fromkeys(name for offer in offers for name in _fields(offer))
            raise InputError(f"--option {key}: nothing here has it; {nearest(key.rpartition('.')[2], known)}")
