"""A small audit on digits, and attempts written by hand, for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from stalefl.audit.attempts import Attempt, AttemptResult, all_attempts
from stalefl.audit.audit import Audit, open_audit
from stalefl.audit.cases import Truth
from stalefl.config.loading import load_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext
from stalefl.records.audit_folder import AuditFolder
from stalefl.run.parts import load_dataset
from stalefl.storage import save_tree
from stalefl.updates.on_the_spot import made_of_samples

CONTEXT = DataContext(Path("no-data-needed"))
QUICK = {"iterations": 7}


def experiment(**tables: Mapping[str, Any]) -> Experiment:
    """Two clients with one digit each make one step with a small network; idlg's search is short."""
    base: dict[str, Mapping[str, Any]] = {
        "model": {"name": "mlp", "options": {"hidden": [12]}},
        "training": {"local_epochs": 1, "lr": 0.1},
        "audit": {"attacks": ["idlg"], "options": {"idlg": QUICK}, "defences": ["none"], "cases": 2},
        "run": {"device": "cpu", "jobs": 1},
    }
    return load_experiment(flags={name: {**base.get(name, {}), **tables.get(name, {})} for name in {**base, **tables}})


def opened(place: Path, known: bool = True, **tables: Mapping[str, Any]) -> Audit:
    """A new audit in ``place``; with ``known`` its samples are."""
    described = experiment(**tables)
    dataset = load_dataset(described, CONTEXT)
    made = made_of_samples(described, dataset, None)
    updates = [one if known else replace(one, client_data=None) for one in made]
    return open_audit(described, dataset, [(f"client {n}", one) for n, one in enumerate(updates)], folder(place))


def folder(place: Path) -> AuditFolder:
    return AuditFolder(place)


def truth(audit: Audit, case: int) -> Truth:
    found = audit.truths[case]
    assert found is not None
    return found


def recovered(labels: Tensor, inputs: Tensor | None, loss: float = 0.5) -> AttemptResult:
    """An attempt that ends with hard labels [M] and inputs."""
    return AttemptResult(one_hot(labels, 10).float(), inputs, loss, 7, 0.1)


def write(attempt: Attempt, found: AttemptResult) -> None:
    attempt.path.parent.mkdir(parents=True, exist_ok=True)
    save_tree(attempt.path, vars(found))


def write_all(audit: Audit, exact: bool) -> None:
    """Attempts that recover the very samples, or the mean of the data under a label next to the true one."""
    for attempt in all_attempts(audit):
        own = truth(audit, attempt.case)
        labels = own.targets if exact else (own.targets + 1) % 10
        write(attempt, recovered(labels, own.inputs if exact else torch.zeros_like(own.inputs)))
