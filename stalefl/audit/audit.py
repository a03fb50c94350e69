"""One audit from its beginning to its end: opened or gone on with, attacked, measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stalefl.audit.attempts import Attempt, attempts, is_done, make_attempt
from stalefl.audit.cases import Bench, Case, Truth, truth_of
from stalefl.audit.defences import Defence
from stalefl.audit.plan import Plan
from stalefl.config.loading import experiment_to_toml, load_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, Dataset, InputError
from stalefl.machine.processes import Stop, fitting_jobs, run_all
from stalefl.records.audit_folder import AuditFolder
from stalefl.registry import load_registry
from stalefl.storage import load_tree, save_tree
from stalefl.training.embedding import with_vectors
from stalefl.updates.observed import Observed


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
    def attempts(self) -> list[Attempt]:
        return list(attempts(self.experiment, self.dataset.spec, self.plan, self.bench, self.folder))


def load_dataset(experiment: Experiment, context: DataContext) -> Dataset:
    """The data set of an experiment."""
    return load_registry().create("dataset", experiment.data.dataset, experiment.data.options).load(context)


def open_audit(
    experiment: Experiment,
    dataset: Dataset,
    observed: Sequence[tuple[str, Observed]],
    folder: AuditFolder,
    force: bool = False,
) -> Audit:
    """An audit of titled updates in a new folder, checked before that is made. Raises InputError."""
    cases = [Case.of(update, title) for title, update in observed]
    truths = [truth_of(update) for _, update in observed]
    audit = _audit(experiment, dataset, cases, truths, folder)
    folder.make(force)
    folder.write_config(experiment_to_toml(experiment))
    save_tree(folder.truth, [None if truth is None else dict(vars(truth)) for truth in truths])
    save_tree(folder.cases, [case.to_tree() for case in cases])
    return audit


def reopen_audit(path: Path, context: DataContext, flags: Mapping[str, Mapping[str, Any]] | None = None) -> Audit:
    """The audit in a folder, to go on where it stopped. ``flags`` set keys of its experiment, only such that leave the
    attempts as they are: device, jobs, conditions. Raises InputError if there is none."""
    folder = AuditFolder.open(path)
    experiment = load_experiment(folder.config, flags=flags)
    cases = [Case(**tree) for tree in load_tree(folder.cases)]
    truths = [None if tree is None else Truth(**tree) for tree in load_tree(folder.truth)]
    return _audit(experiment, load_dataset(experiment, context), cases, truths, folder)


def _audit(
    experiment: Experiment,
    dataset: Dataset,
    cases: Sequence[Case],
    truths: Sequence[Truth | None],
    folder: AuditFolder,
) -> Audit:
    plan, bench = Plan.of(experiment.audit), Bench.build(experiment, dataset.spec, cases)
    dataset = with_vectors(dataset, bench.table)
    cells = list(plan.cells(bench.exposure(0, Defence())))
    if all(unfit for _, _, unfit in cells):
        reasons = "; ".join(sorted({f"{attack}: {unfit}" for attack, _, unfit in cells}))
        raise InputError(f"none of the attacks can be made on this update ({reasons})")
    return Audit(experiment, dataset, plan, bench, truths, folder)


def attack(audit: Audit, jobs: int, on_share: Callable[[float], None], stop: Stop) -> bool:
    """Make all attempts that are not made yet; ``on_share`` is told which share of them, from 0 to 1, is done. False if
    ``stop`` left some undone."""
    tasks, run = [task for task in audit.attempts if not is_done(task)], audit.experiment.run
    shares = [0.0] * len(tasks)

    def on_event(index: int, share: Any) -> None:
        shares[index] = share
        on_share(sum(shares) / len(shares))

    results = run_all(make_attempt, tasks, jobs or fitting_jobs(run.device, run.threads, len(tasks)), on_event, stop)
    return all(results)
