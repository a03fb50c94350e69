"""Runs from any folders, sorted by what they have in common and in what they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stalefl.config.loading import flat, load_experiment
from stalefl.config.naming import value_text
from stalefl.config.schema import Experiment
from stalefl.records.comparison_folder import find_runs
from stalefl.records.inversion_folder import InversionFolder, find_inversions
from stalefl.records.metrics import Record
from stalefl.records.ranking import Result
from stalefl.records.run_folder import RunFolder
from stalefl.records.sweep_folder import SweepFolder

Settings = dict[str, Any]
"""Dotted keys and their values."""
NOT_SETTINGS = ("run.seed", "run.seeds", "run.jobs", "run.checkpoint_every_rounds")
"""Keys that say how often or how runs are made, not what is run; metrics do not depend on the last two."""
RECORDING = ("evaluation.oracle", "evaluation.shadows.", "audit.", "observers.")
"""Keys, or their beginnings, that say what else is measured: they change neither training nor accuracies."""


@dataclass(frozen=True)
class StoredRun:
    """What a run folder holds."""

    folder: RunFolder
    experiment: Experiment
    records: Sequence[Record]
    result: Mapping[str, Any] | None
    environment: Mapping[str, Any]

    @property
    def method(self) -> str:
        return str(self.experiment.method.name)

    @cached_property
    def _every(self) -> Settings:
        return flat(self.experiment.model_dump(mode="json"))

    @cached_property
    def settings(self) -> Settings:
        """All that training and accuracies depend on but method and seed."""
        left_out = ("method.", *RECORDING)
        return {k: v for k, v in self._every.items() if not k.startswith(left_out) and k not in NOT_SETTINGS}

    @cached_property
    def recording(self) -> Settings:
        """What else is measured."""
        return {key: value for key, value in self._every.items() if key.startswith(RECORDING)}

    @cached_property
    def options(self) -> Settings:
        return flat(self.experiment.method.options)

    @property
    def identity(self) -> str:
        """The same for two runs of the same thing."""
        return repr((self.settings, self.method, self.options, self.experiment.run.seed))

    @property
    def completeness(self) -> tuple[bool, bool, int, int]:
        """The greater, the more is known of the run."""
        measured = self.experiment.evaluation
        return self.result is not None, measured.oracle, len(measured.shadows), len(self.records)


@dataclass(frozen=True)
class Group:
    """Runs of the same settings, by method: seeds of each, in the order in which they were found.

    ``values`` are those of the settings that differ between groups. A method is named with those of its options that
    differ between its runs.
    """

    values: Settings
    methods: Mapping[str, Sequence[StoredRun]]

    @property
    def label(self) -> str:
        return ", ".join(f"{key} = {value_text(value)}" for key, value in self.values.items())

    @property
    def runs(self) -> list[StoredRun]:
        return [run for seeds in self.methods.values() for run in seeds]


@dataclass(frozen=True)
class RunGroups:
    """All runs, by their settings. ``common`` are the settings of all of them."""

    common: Settings
    groups: Sequence[Group]
    repeated: int
    """How many runs were left out, being the same as another."""
    inversions: Sequence[InversionFolder] = ()
    """What ``stalefl invert`` left beside the runs."""
    unbegun: int = 0
    """How many runs of the sweeps among the folders have not begun."""

    @property
    def runs(self) -> list[StoredRun]:
        return [run for group in self.groups for run in group.runs]

    def settings(self) -> list[Setting]:
        """For a sheet: one per group and method."""
        return [
            Setting(
                {**group.values, "method.name": method},
                [run.result for run in seeds if run.result is not None],
                len(seeds),
            )
            for group in self.groups
            for method, seeds in group.methods.items()
        ]


def read_run_groups(paths: Sequence[Path]) -> RunGroups:
    """The runs at or below ``paths``. Raises InputError where there are none, or a damaged one."""
    folders = {folder.path.resolve(): folder for path in paths for folder in find_runs(path)}
    found = [_stored(folder) for folder in folders.values()]
    runs = _distinct(found)
    common = common_of([run.settings for run in runs])
    by_values: dict[str, list[StoredRun]] = {}
    for run in runs:
        by_values.setdefault(repr(_without(run.settings, common)), []).append(run)
    names = _names(runs)
    groups = sorted((_group(members, common, names) for members in by_values.values()), key=_by_values)
    return RunGroups(common, groups, len(found) - len(runs), find_inversions(paths), sum(map(_unbegun, paths)))


def _by_values(group: Group) -> list[tuple[bool, float, str]]:
    """Numbers in their order, other values as they are written."""
    values = group.values.values()
    return [(True, v, "") if isinstance(v, (int, float)) else (False, 0.0, value_text(v)) for v in values]


def _unbegun(path: Path) -> int:
    """Of a sweep's runs, those without a record; 0 of another folder."""
    folder = SweepFolder(path)
    if not folder.is_begun:
        return 0
    index = folder.read_index()
    places = (folder.run_path(cell["name"], seed) for cell in index["cells"] for seed in index["seeds"])
    return sum(not (place / "rounds.jsonl").exists() for place in places)


def _distinct(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Of runs of the same thing that of which most is known, of equals the first."""
    kept: dict[str, StoredRun] = {}
    for run in runs:
        if run.identity not in kept or run.completeness > kept[run.identity].completeness:
            kept[run.identity] = run
    return list(kept.values())


def common_of(documents: Sequence[Mapping[str, Any]]) -> Settings:
    """The keys that all documents have, with the same value."""
    first, *others = documents
    return {key: value for key, value in first.items() if all(key in o and o[key] == value for o in others)}


def differing(documents: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The other keys, with every value that occurs; None where a document has no such key."""
    common = common_of(documents)
    keys = dict.fromkeys(key for document in documents for key in document if key not in common)
    return {key: _different([document.get(key) for document in documents]) for key in keys}


def _different(values: Iterable[Any]) -> list[Any]:
    return list({repr(value): value for value in values}.values())


def _without(settings: Settings, common: Settings) -> Settings:
    return {key: value for key, value in settings.items() if key not in common}


def _group(members: Sequence[StoredRun], common: Settings, names: Mapping[str, str]) -> Group:
    methods: dict[str, list[StoredRun]] = {}
    for run in members:
        methods.setdefault(names[run.identity], []).append(run)
    return Group(_without(members[0].settings, common), methods)


def _names(runs: Sequence[StoredRun]) -> dict[str, str]:
    """``inversion``, or ``inversion iterations=50`` where there are runs of it with other options."""
    options = {
        method: common_of([r.options for r in runs if r.method == method]) for method in {r.method for r in runs}
    }
    return {run.identity: _name(run, _without(run.options, options[run.method])) for run in runs}


def _name(run: StoredRun, own: Settings) -> str:
    return " ".join([run.method, *(f"{key}={value_text(value)}" for key, value in own.items())])


def _stored(folder: RunFolder) -> StoredRun:
    experiment, records = load_experiment(folder.config), folder.read_rounds()
    return StoredRun(folder, experiment, records, folder.read_result(), folder.read_environment())


@dataclass(frozen=True)
class Setting:
    """What was run under one setting: its keys with their values, the results of the finished seeds, and how many
    seeds there are to be."""

    values: Mapping[str, Any]
    results: Sequence[Result]
    seeds: int
    failed: int = 0
