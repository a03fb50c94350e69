"""One audit: what it consists of, opened anew or reopened from its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stalefl.audit.cases import Bench, Case, Truth, cases_of, load_cases, load_truths, store_cases
from stalefl.audit.defences import Defence
from stalefl.audit.plan import Plan
from stalefl.config.loading import experiment_to_toml, load_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, Dataset, InputError
from stalefl.records.audit_folder import AuditFolder
from stalefl.run.parts import load_dataset
from stalefl.training.embedding import with_vectors
from stalefl.updates.observed import ObservedUpdate


@dataclass(frozen=True)
class Audit:
    """What is audited; ``dataset`` has tokens as their vectors. ``truths`` has one entry per case, None where nobody
    knows the samples."""

    experiment: Experiment
    dataset: Dataset
    plan: Plan
    bench: Bench
    truths: Sequence[Truth | None]
    folder: AuditFolder

    @property
    def cells(self) -> list[tuple[str, str, str]]:
        """As ``Plan.cells`` gives them for the first case."""
        return list(self.plan.cells(self.bench.exposure(0, Defence())))


def open_audit(
    experiment: Experiment,
    dataset: Dataset,
    updates: Sequence[tuple[str, ObservedUpdate]],
    folder: AuditFolder,
    force: bool = False,
) -> Audit:
    """An audit of titled updates in a new folder, checked before that is made. Raises InputError."""
    cases, truths = cases_of(updates)
    audit = _audit(experiment, dataset, cases, truths, folder)
    folder.make(force)
    folder.write_config(experiment_to_toml(experiment))
    store_cases(folder, cases, truths)
    return audit


def reopen_audit(path: Path, context: DataContext, flags: Mapping[str, Mapping[str, Any]] | None = None) -> Audit:
    """The audit in a folder, to go on where it stopped. ``flags`` set keys of its experiment, only such that leave the
    attempts as they are: device, jobs, conditions. Raises InputError if there is none."""
    folder = AuditFolder.open(path)
    experiment = load_experiment(folder.config, flags=flags)
    dataset = load_dataset(experiment, context)
    return _audit(experiment, dataset, load_cases(folder), load_truths(folder), folder)


def _audit(
    experiment: Experiment,
    dataset: Dataset,
    cases: Sequence[Case],
    truths: Sequence[Truth | None],
    folder: AuditFolder,
) -> Audit:
    plan, bench = Plan.of(experiment.audit), Bench.build(experiment, dataset.spec, cases)
    dataset = with_vectors(dataset, bench.table)
    audit = Audit(experiment, dataset, plan, bench, truths, folder)
    if all(unfit for _, _, unfit in audit.cells):
        reasons = "; ".join(sorted({f"{attack}: {unfit}" for attack, _, unfit in audit.cells}))
        raise InputError(f"none of the attacks can be made on this update ({reasons})")
    return audit
