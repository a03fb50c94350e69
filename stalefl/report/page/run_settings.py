"""The settings of the runs, the options of their methods and their environment, as pairs of a key and its value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stalefl.config.loading import flat
from stalefl.config.naming import value_text
from stalefl.config.schema import Experiment
from stalefl.formatting import MISSING
from stalefl.records.run_groups import RunGroups, common_of, differing

PASSING = ("started",)
"""Facts of an environment that differ between any two runs and mean nothing."""
Pairs = list[tuple[str, str]]


def settings_section(runs: RunGroups) -> dict[str, Pairs]:
    """What differs between the runs, what else they measured, and what they have in common."""
    return {
        "differing": _several(differing([group.values for group in runs.groups])),
        "recording": _several(differing([run.recording for run in runs.runs])),
        "changed": _changed(runs.common),
        "options": _options(runs),
        "common": _pairs(runs.common),
        "environment": _environment(runs),
    }


def distinct_values(values: Iterable[Any]) -> str:
    """Every value once, as "0.1, 1.0"."""
    return ", ".join(dict.fromkeys(MISSING if value is None else value_text(value) for value in values))


def _changed(common: Mapping[str, Any]) -> Pairs:
    """The settings of all runs that are not the defaults."""
    defaults = flat(Experiment().model_dump(mode="json"))
    return _pairs({key: value for key, value in common.items() if key not in defaults or value != defaults[key]})


def _pairs(settings: Mapping[str, Any]) -> Pairs:
    return [(key, value_text(value)) for key, value in settings.items()]


def _several(values: Mapping[str, Sequence[Any]]) -> Pairs:
    return [(key, distinct_values(several)) for key, several in values.items()]


def _options(runs: RunGroups) -> Pairs:
    """The options of each method, as far as any are set."""
    options: dict[str, str] = {}
    for group in runs.groups:
        for method, seeds in group.methods.items():
            options[method] = ", ".join(f"{key} = {value}" for key, value in _pairs(seeds[0].options))
    return [(method, text) for method, text in options.items() if text]


def _environment(runs: RunGroups) -> Pairs:
    every = [{k: v for k, v in run.environment.items() if k not in PASSING} for run in runs.runs]
    started = sorted(str(run.environment["started"]) for run in runs.runs if "started" in run.environment)
    period = [("started", " to ".join(dict.fromkeys([started[0], started[-1]])))] if started else []
    return [*_pairs(common_of(every)), *_several(differing(every)), *period]
