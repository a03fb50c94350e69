"""The attacks themselves: each attempt is a task of its own, which any process makes, in any order, and never twice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stalefl.audit.audit import Audit
from stalefl.audit.cases import Bench, load_cases
from stalefl.audit.defences import Defence
from stalefl.audit.plan import Plan
from stalefl.config.schema import Experiment
from stalefl.contracts import InputError, InputSpec, Leak
from stalefl.machine.processes import Stop, fitting_jobs, run_all
from stalefl.records.audit_folder import AuditFolder
from stalefl.seeds import named_generator
from stalefl.storage import load_tree, save_tree


@dataclass(frozen=True)
class Attempt:
    """One attempt of one attack on one client's update under one defence."""

    experiment: Experiment
    spec: InputSpec
    folder: Path
    attack: str
    defence: str
    case: int
    restart: int

    @property
    def path(self) -> Path:
        return AuditFolder(self.folder).attempt(self.attack, self.defence, self.case, self.restart)


@dataclass(frozen=True)
class AttemptResult:
    """What an attempt left: labels [M, K], inputs [M, *shape] or None, its final loss, and what it cost."""

    labels: Tensor
    inputs: Tensor | None
    loss: float
    iterations: int
    seconds: float


class _Stopped(Exception):
    pass


def all_attempts(audit: Audit) -> list[Attempt]:
    """Case by case, so that an audit which is stopped has seen every cell."""
    experiment, spec, folder = audit.experiment, audit.dataset.spec, audit.folder.path
    return [
        Attempt(experiment, spec, folder, attack, defence, case, restart)
        for case in range(len(audit.bench.cases))
        for attack, defence, unfit in audit.plan.cells(audit.bench.exposure(case, Defence()))
        if not unfit
        for restart in range(audit.plan.attempts_per_case(attack))
    ]


def make_attempts(audit: Audit, jobs: int, on_share: Callable[[float], None], stop: Stop) -> bool:
    """Make all attempts that are not made yet; ``on_share`` is told which share of them, from 0 to 1, is done. False if
    ``stop`` left some undone."""
    tasks, run = [task for task in all_attempts(audit) if not is_done(task)], audit.experiment.run
    shares = [0.0] * len(tasks)

    def on_event(index: int, share: Any) -> None:
        shares[index] = share
        on_share(sum(shares) / len(shares))

    results = run_all(make_attempt, tasks, jobs or fitting_jobs(run.device, run.threads, len(tasks)), on_event, stop)
    return all(results)


# --- one attempt, in a process of its own ---------------------------------------------------------------------------


def make_attempt(attempt: Attempt, report: Callable[[float], None], should_stop: Callable[[], bool]) -> bool | None:
    """Write what the attack recovers, unless that is there; ``report`` is told which share of it is done. None if it
    was stopped."""
    if not is_done(attempt):
        try:
            found = _attacked(attempt, report, should_stop)
        except _Stopped:
            return None
        attempt.path.parent.mkdir(parents=True, exist_ok=True)
        save_tree(attempt.path, vars(found))
    report(1.0)
    return True


def is_done(attempt: Attempt) -> bool:
    """Whether its result is there; one that is damaged is not."""
    return _stored(attempt.path) is not None


def _stored(path: Path) -> AttemptResult | None:
    """None if the file is missing or damaged."""
    if not path.is_file():
        return None
    try:
        return AttemptResult(**load_tree(path))
    except (InputError, TypeError):
        return None


def _attacked(attempt: Attempt, report: Callable[[float], None], should_stop: Callable[[], bool]) -> AttemptResult:
    def watch(share: float) -> None:
        if should_stop():
            raise _Stopped
        report(min(share, 0.99))

    bench = _bench(attempt.experiment.model_dump_json(), attempt.spec, attempt.folder)
    attack = Plan.of(attempt.experiment.audit).attacks[attempt.attack]
    purpose = f"attack:{attempt.attack}:{attempt.defence}"
    generator = named_generator(bench.seed, purpose, attempt.case, attempt.restart)
    exposure = bench.exposure(attempt.case, Defence.parse(attempt.defence), generator)
    began = time.perf_counter()
    leak: Leak = attack.attack(exposure, watch)
    seconds = time.perf_counter() - began
    inputs = None if leak.inputs is None else leak.inputs.detach().float().cpu()
    return AttemptResult(leak.labels.detach().float().cpu(), inputs, leak.loss, leak.iterations, seconds)


def _bench(experiment: str, spec: InputSpec, folder: Path) -> Bench:
    return _bench_of(experiment, spec, folder, AuditFolder(folder).cases.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _bench_of(experiment: str, spec: InputSpec, folder: Path, cases_written_ns: int) -> Bench:
    """Once per process, unless the cases were replaced meanwhile."""
    described = Experiment.model_validate_json(experiment)
    torch.set_num_threads(described.run.threads)
    return Bench.build(described, spec, load_cases(AuditFolder(folder)))


# --- what was kept --------------------------------------------------------------------------------------------------


def best(tries: Sequence[AttemptResult]) -> AttemptResult:
    """Of several attempts the one of least loss, as an attacker would choose; the first of equals."""
    return min(tries, key=lambda found: found.loss if math.isfinite(found.loss) else math.inf)


def load_best(folder: AuditFolder, attack: str, defence: str, case: int, restarts: int) -> AttemptResult | None:
    """The best of the attempts on a case that are done; None if there is none yet."""
    paths = [folder.attempt(attack, defence, case, restart) for restart in range(restarts)]
    found = [tried for path in paths if (tried := _stored(path)) is not None]
    return best(found) if found else None
