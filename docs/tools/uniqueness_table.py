"""Table 8: how often the uniqueness test is right in runs in which every client holds one class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from stalefl.config.loading import load_experiment
from stalefl.records.estimates import WINDOW_ROUNDS
from stalefl.records.run_folder import RunFolder
from stalefl.report.tables.markdown import markdown_table

Verdicts = list[tuple[bool, bool]]
"""For each late update whether the client's data are unique, and whether the test took them for that."""


def uniqueness_markdown(runs: Sequence[RunFolder]) -> str:
    """A row for each window of rounds, and a column for each shadow.

    A cell has the share of late updates told rightly over all runs; in brackets the share of unique ones found and the
    share of others told.
    """
    verdicts: dict[int, dict[str, Verdicts]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        records = run.read_rounds()
        unique = unique_clients(run, classes=len(records[-1]["per_class_accuracy"]))
        for record in records:
            window = (record["round"] - 1) // WINDOW_ROUNDS
            for label, client, taken in _told(record):
                verdicts[window][label].append((client in unique, taken))
    labels = list(dict.fromkeys(label for window in verdicts.values() for label in window))
    rows = []
    for window, found in sorted(verdicts.items()):
        first = window * WINDOW_ROUNDS + 1
        rows.append([f"{first}–{first + WINDOW_ROUNDS - 1}", *(_shares(found[label]) for label in labels)])
    headers = ["rounds", *(f"`{label}`" for label in labels)]
    return markdown_table(headers, rows, "l" * len(headers))


def unique_clients(run: RunFolder, classes: int) -> set[int]:
    """The late clients of a one-class partition, listed in the experiment, whose class nobody on time holds."""
    experiment = load_experiment(run.config)
    late = experiment.staleness.clients
    held = {client % classes for client in range(experiment.partition.clients) if client not in late}
    return {client for client in late if client % classes not in held}


def _told(record: dict[str, Any]) -> list[tuple[str, int, bool]]:
    """Label of the shadow, client and verdict of each late update."""
    shadows = record.get("shadows", {}).items()
    return [(label, late["client"], late["unique"]) for label, s in shadows for late in s.get("late_updates", ())]


def _shares(verdicts: Verdicts) -> str:
    parts = [verdicts, *([v for v in verdicts if v[0] is unique] for unique in (True, False))]
    shares = [sum(unique is taken for unique, taken in part) / len(part) for part in parts]
    right, found, told = (f"{share:.2f}".removeprefix("0") for share in shares)
    return f"{right} ({found}, {told})"
