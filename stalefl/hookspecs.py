"""Every hook of stalefl. A plugin package implements any of them and names its module under the entry-point group
``stalefl``; the built-in data sets, models, methods and attacks register through these same hooks.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from stalefl.contracts import Entry

PROJECT = "stalefl"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def stalefl_datasets() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Data sets this plugin offers: entries whose target is a ``DatasetPlugin`` subclass."""


@hookspec
def stalefl_models() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Models this plugin offers: entries whose target is a ``ModelPlugin`` subclass."""


@hookspec
def stalefl_compensators() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Methods this plugin offers: entries whose target is a ``Compensator`` subclass."""


@hookspec
def stalefl_attacks() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Attacks this plugin offers to the privacy audit: entries whose target is an ``Attack`` subclass."""


@hookspec
def stalefl_observers() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Observers this plugin offers, which are told of a run as it goes on: entries whose target is an ``Observer``
    subclass."""
