"""The table at the head of results.md: what staleness costs in each setting measured, and who brings it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docs.tools.kept_records import RECORDS, finished_runs, is_sweep, sweep_runs
from stalefl.config.loading import load_experiment
from stalefl.formatting import MISSING
from stalefl.records.metrics import AFFECTED
from stalefl.records.ranking import Result
from stalefl.report.tables.markdown import markdown_table
from stalefl.report.tables.pivots import PERIOD

NOBODY_LATE, AS_THEY_ARE = "unstale", "unweighted"
INVERSIONS = ("inversion", "anchored-inversion")
LEAST_LOSS = 0.05
"""A loss of accuracy; where staleness costs less, a share of the loss says nothing."""


@dataclass(frozen=True)
class Measured:
    """Accuracies on the affected class from the first late update on, by method and seed."""

    setting: str
    scores: Mapping[str, Mapping[int, float]]

    @property
    def seeds(self) -> set[int]:
        """The seeds of which every method that the table names has a run."""
        named = (NOBODY_LATE, AS_THEY_ARE, *self.inversions)
        return set.intersection(*(set(self.scores.get(method, ())) for method in named))

    @property
    def inversions(self) -> list[str]:
        return [method for method in INVERSIONS if method in self.scores]

    @property
    def best_baseline(self) -> str:
        others = [method for method in self.scores if method not in (NOBODY_LATE, *INVERSIONS)]
        return max((method for method in others if self.seeds <= set(self.scores[method])), key=self.mean)

    def mean(self, method: str) -> float:
        return sum(self.scores[method][seed] for seed in self.seeds) / len(self.seeds)


def overview_markdown(names: Sequence[str]) -> str:
    """A row for each comparison kept as docs/records/NAME, and for each setting of a sweep."""
    headers = ["setting", "seeds", NOBODY_LATE, AS_THEY_ARE, "best baseline", *INVERSIONS, "they recover"]
    rows = [_row(measured) for measured in _measured(names) if measured.seeds]
    return markdown_table(headers, rows, "lrrrlrrr")


def _row(measured: Measured) -> list[str]:
    best, as_they_are = measured.best_baseline, measured.mean(AS_THEY_ARE)
    loss = measured.mean(NOBODY_LATE) - as_they_are
    shares = [f"{100 * (measured.mean(method) - as_they_are) / loss:.0f} %" for method in measured.inversions if loss]
    return [
        measured.setting,
        str(len(measured.seeds)),
        _figure(measured.mean(NOBODY_LATE)),
        _figure(as_they_are),
        f"{best} {_figure(measured.mean(best))}",
        *(_figure(measured.mean(method)) if method in measured.inversions else MISSING for method in INVERSIONS),
        ", ".join(shares) if loss >= LEAST_LOSS else MISSING,
    ]


def _figure(accuracy: float) -> str:
    return f"{accuracy:.3f}".removeprefix("0")


def _measured(names: Sequence[str]) -> Iterator[Measured]:
    """One row per setting, also where its methods were measured apart."""
    settings: dict[str, dict[str, dict[int, float]]] = {}
    for name in names:
        experiment = load_experiment(RECORDS / name / "config.toml").model_dump()
        for values, result in _results(name):
            methods = settings.setdefault(_words(experiment, values), {})
            methods.setdefault(result["method"], {})[result["seed"]] = result[PERIOD][AFFECTED]
    yield from (Measured(words, scores) for words, scores in settings.items())


def _results(name: str) -> list[tuple[Mapping[str, Any], Result]]:
    """The values that a sweep gave its keys, and the result, of each run."""
    if is_sweep(name):
        return [(run.values, run.result) for run in sweep_runs(name)]
    return [({}, result) for _, result in finished_runs(name)]


def _words(experiment: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    def value(table: str, key: str) -> Any:
        return values.get(f"{table}.{key}", experiment[table][key])

    kind = value("partition", "kind")
    classes = {"one-class": "one class per client", "dirichlet": f"Dirichlet {value('partition', 'alpha'):g}"}
    words = [value("data", "dataset"), f"{value('partition', 'clients')} clients", classes.get(kind, kind)]
    if value("drift", "dataset"):
        words.append(f"{value('drift', 'rate'):g} samples replaced a round")
    return ", ".join([*words, f"{value('staleness', 'rounds')} rounds late"])
