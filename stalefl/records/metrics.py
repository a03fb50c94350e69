"""The figures that comparisons are made of, each with its one definition."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stalefl.formatting import MISSING

AFFECTED = "affected_class_accuracy"
OVERALL = "accuracy"
ACCURACIES = (OVERALL, AFFECTED)
WINDOW = 5
LAST = 10
TARGET_TOLERANCE = 1e-9
"""A mean counts as at the target if only rounding keeps it below."""


Record = Mapping[str, Any]
"""One round, as a line of ``rounds.jsonl``."""
Runs = Mapping[str, Sequence[Sequence[Record]]]
"""The records of each method's seeds."""


class Spread(NamedTuple):
    """Mean over seeds and sample standard deviation (n - 1 in the denominator); no spread with one seed."""

    mean: float | None
    spread: float | None

    def text(self, digits: int) -> str:
        """As "0.905 ± 0.012", "0.905" with one seed, and a dash without a mean."""
        if self.mean is None:
            return MISSING
        mean = f"{self.mean:.{digits}f}"
        return mean if self.spread is None else f"{mean} ± {self.spread:.{digits}f}"


def affected_accuracy(per_class_accuracy: Sequence[float | None], affected_classes: Sequence[int]) -> float | None:
    """The mean over the affected classes that have test samples; None if none has."""
    known = [value for label in affected_classes if (value := per_class_accuracy[label]) is not None]
    return statistics.fmean(known) if known else None


def mean_and_spread(values: Iterable[float | None]) -> Spread:
    """Mean and spread over seeds. None if any seed has no value: a mean over the lucky seeds would mislead."""
    known = list(values)
    present = [value for value in known if value is not None]
    if not present or len(present) < len(known):
        return Spread(None, None)
    return Spread(statistics.fmean(present), statistics.stdev(present) if len(present) > 1 else None)


def evaluated(records: Iterable[Record], key: str) -> list[tuple[int, float]]:
    """The (round, value) pairs of the rounds in which ``key`` was measured."""
    return [(record["round"], record[key]) for record in records if record.get(key) is not None]


def mean_accuracies(records: Sequence[Record]) -> dict[str, float | None]:
    """The mean of each accuracy over the evaluated rounds among ``records``; None where there are none."""
    values = {key: [value for _, value in evaluated(records, key)] for key in ACCURACIES}
    return {key: statistics.fmean(values[key]) if values[key] else None for key in ACCURACIES}


def first_late_round(records: Iterable[Record]) -> int | None:
    """The first round in which a late update arrived; None if none did."""
    return next((record["round"] for record in records if record["stale_updates"] > 0), None)


def delays_in_words(records: Iterable[Record]) -> str:
    """How late the late updates of a run were, as "50 late updates, by 3 to 61 rounds (median 14)"; none: ""."""
    delays = [delay for record in records for delay in record["staleness_rounds"]]
    if not delays:
        return ""
    least, most = min(delays), max(delays)
    by = f"{least}" if least == most else f"{least} to {most}"
    median = "" if least == most else f" (median {statistics.median(delays):g})"
    return f"{len(delays)} late update{'s' * (len(delays) > 1)}, by {by} round{'s' * (most > 1)}{median}"


def mean_after_first_late(records: Sequence[Record], first_late: int | None) -> dict[str, float | None]:
    """Mean accuracies over the evaluated rounds from ``first_late`` (that round included) to the end."""
    return mean_accuracies([record for record in records if first_late is not None and record["round"] >= first_late])


def last_mean(records: Sequence[Record], count: int = LAST) -> dict[str, float | None]:
    """Mean accuracies over the last ``count`` evaluated rounds (over all of them if there are fewer)."""
    return mean_accuracies([record for record in records if record.get(OVERALL) is not None][-count:])


def rounds_to_target(records: Sequence[Record], key: str, target: float, window: int = WINDOW) -> int | None:
    """The round from which the accuracy holds ``target``.

    The trailing mean at an evaluated round is the mean over it and the ``window - 1`` evaluated rounds before it. The
    result is the first round from which this mean is at least ``target`` and never falls below it again; None if the
    run ends below the target or has fewer than ``window`` evaluated rounds.
    """
    points = evaluated(records, key)
    holding: int | None = None
    for end in range(window, len(points) + 1):
        trailing_mean = math.fsum(value for _, value in points[end - window : end]) / window
        if trailing_mean < target - TARGET_TOLERANCE:
            holding = None
        elif holding is None:
            holding = points[end - 1][0]
    return holding


def best_record(records: Iterable[Record]) -> Record | None:
    """The evaluated round with the highest affected-class accuracy; of equals the one with the higher overall accuracy,
    then the earlier one."""
    measured = [record for record in records if record.get(OVERALL) is not None]
    return max(measured, key=_goodness, default=None)


def _goodness(record: Record) -> tuple[float, float]:
    affected = record.get(AFFECTED)
    return (-1.0 if affected is None else affected, record[OVERALL])


@dataclass(frozen=True)
class ServerCost:
    """Seconds of all the server's work: for each late update, in a run, and in relation to the clients' training. None
    where there is nothing to divide by."""

    each: float | None
    run: float
    of_training: float | None


def server_cost(runs: Sequence[Sequence[Record]]) -> ServerCost:
    """Of one method's runs."""
    records = [record for seed in runs for record in seed]
    seconds = math.fsum(record["server_seconds"] for record in records)
    training = math.fsum(record["client_seconds"] for record in records)
    late = sum(record["stale_updates"] for record in records)
    return ServerCost(
        seconds / late if late else None, seconds / max(len(runs), 1), seconds / training if training else None
    )
