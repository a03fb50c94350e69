"""What ``privacy-audit`` is asked for, and where its updates come from: a run, files, or clients made on the spot."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stalefl.cli.common import given_only
from stalefl.cli.update_options import UpdateOfRun, check_source, files_experiment, named
from stalefl.cli.watch import Watch

if TYPE_CHECKING:
    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext, Dataset
    from stalefl.updates.observed import ObservedUpdate

logger = logging.getLogger(__name__)


class AuditedFiles(NamedTuple):
    """The options that name an update of files, and the samples behind it."""

    base: Path | None
    update: Path | None
    client_data: Path | None


class OnTheSpot(NamedTuple):
    """Clients that are made for the audit: how many, how they train, and from which weights."""

    cases: int | None
    local_steps: int | None
    weights: Path | None


class Attacks(NamedTuple):
    """What is done to the updates."""

    attack: list[str] | None
    sparsify: list[float] | None
    noise: list[float] | None
    defence: list[str] | None
    restarts: int | None
    fail_if: list[str] | None

    def table(self) -> dict[str, Any]:
        """Keys of an experiment's ``[audit]``; None where nothing is said."""
        return {
            "attacks": self.attack or None,
            "defences": _defences(self.sparsify, self.noise, self.defence),
            "restarts": self.restarts,
            "fail_if": self.fail_if or None,
        }


@dataclass(frozen=True)
class AuditRequest:
    """All that the options of one ``privacy-audit`` say; None where one is not given."""

    experiment: Path | None
    of_run: UpdateOfRun
    of_files: AuditedFiles
    update_is: str
    samples: int | None
    on_the_spot: OnTheSpot
    attacks: Attacks
    model: str | None
    dataset: str | None
    seed: int | None
    settings: list[str] | None
    jobs: int | None
    device: str | None
    out: Path | None
    resume: Path | None
    force: bool
    context: DataContext

    def flags(self) -> dict[str, dict[str, Any]]:
        """Keys of an experiment, by table, that say something of updates from anywhere."""
        return {
            "audit": self.attacks.table(),
            "data": {"dataset": self.dataset},
            "model": {"name": self.model},
            "run": {"device": self.device, "seed": self.seed, "jobs": self.jobs},
        }


class Source(NamedTuple):
    """The titled updates to be audited, the data set behind them, and the experiment that says what is done."""

    experiment: Experiment
    dataset: Dataset
    updates: list[tuple[str, ObservedUpdate]]


def read_source(request: AuditRequest, watch: Watch) -> Source:
    """The updates that the request names. Raises InputError for options that do not go together."""
    if any(value is not None for value in request.of_run):
        return _of_run(request, watch)
    if any(value is not None for value in request.of_files):
        return _of_files(request, watch)
    return _on_the_spot(request, watch)


def refuse(options: Mapping[str, Any], beside: str) -> None:
    """Raises InputError if one of the options is given."""
    from stalefl.contracts import InputError

    if wrong := next((name for name, value in options.items() if value is not None), None):
        raise InputError(f"{wrong} does not go with {beside}")


# --- from a run -----------------------------------------------------------------------------------------------------


def _of_run(request: AuditRequest, watch: Watch) -> Source:
    """The update of a run; the run's own experiment, but for what the audit does."""
    from stalefl.config.loading import load_experiment
    from stalefl.contracts import InputError

    own = {"EXPERIMENT": request.experiment, "--samples": request.samples, **named(request.on_the_spot)}
    refuse(own, "--run")
    described = {"--model": request.model, "--dataset": request.dataset}
    check_source(named(request.of_run), named(request.of_files), described, request.update_is)
    settings, flags = request.settings or [], given_only(request.flags())
    if wrong := next((text for text in settings if not text.strip().startswith("audit.")), None):
        raise InputError(f"--set {wrong}: beside --run only audit.KEY=VALUE; all else is as the run has it")
    audit = load_experiment(None, settings, {"audit": flags.get("audit", {})}).audit
    run = request.of_run.opened(request.device, request.context, watch)
    update = request.of_run.replayed(run, watch)
    drawn_from = run.experiment.run.model_copy(update=flags.get("run", {}))
    experiment = run.experiment.model_copy(update={"audit": audit, "run": drawn_from})
    return Source(experiment, run.data.dataset, [(_title(update), update)])


def _title(update: ObservedUpdate) -> str:
    """Which update of a run it is."""
    arrived = update.arrived
    assert arrived is not None
    late = f", {arrived.staleness_rounds} rounds late" if arrived.staleness_rounds else ", on time"
    return f"client {arrived.client}, round {arrived.round}{late}"


# --- from files -----------------------------------------------------------------------------------------------------


def _of_files(request: AuditRequest, watch: Watch) -> Source:
    """The update that another system has written."""
    refuse({"EXPERIMENT": request.experiment, **named(request.on_the_spot)}, "files")
    check_source(named(request.of_run), named(request.of_files), {}, request.update_is)
    experiment = files_experiment(request.settings or [], request.flags(), own_tables=["audit"])
    with watch.reading(request.of_files.base):
        from stalefl.run.parts import load_dataset
        from stalefl.updates import observed

        given: dict[str, Any] = {**request.of_files._asdict(), "update_is": request.update_is}
        files = observed.UpdateFiles(**given, samples=request.samples)
        update = observed.from_files(experiment, files, request.context)
        if not update.samples_known:
            logger.warning("no --samples: the client is taken to have one sample")
        return Source(experiment, load_dataset(experiment, request.context), [("the update", update)])


# --- on the spot ----------------------------------------------------------------------------------------------------


def _on_the_spot(request: AuditRequest, watch: Watch) -> Source:
    """Updates of clients that are made for the audit, each with samples of its own."""
    from stalefl.config.loading import load_experiment

    flags, settings = request.flags(), request.settings or []
    flags["audit"] |= {"samples": request.samples, "cases": request.on_the_spot.cases}
    flags["training"] = _local_program(request.on_the_spot.local_steps, request.experiment, settings)
    experiment = load_experiment(request.experiment, settings, given_only(flags))
    with watch.reading(experiment.data.dataset):
        from stalefl.run.parts import load_dataset
        from stalefl.updates.on_the_spot import made_of_samples

        dataset = load_dataset(experiment, request.context)
        made = made_of_samples(experiment, dataset, request.on_the_spot.weights)
        return Source(experiment, dataset, [(f"client {case}", update) for case, update in enumerate(made)])


def _local_program(local_steps: int | None, file: Path | None, settings: Sequence[str]) -> dict[str, Any]:
    """One full-batch step unless something says otherwise."""
    if local_steps is not None:
        return {"local_epochs": local_steps, "batch_size": 0}
    if file is not None:
        return {}
    said = [text.partition("=")[0].strip() for text in settings]
    return {key: value for key, value in {"local_epochs": 1, "batch_size": 0}.items() if f"training.{key}" not in said}


def _defences(
    sparsify: Sequence[float] | None, noise: Sequence[float] | None, defence: Sequence[str] | None
) -> list[str] | None:
    """Every rate with every variance, in the words of audit.defences; None if nothing is asked for."""
    from stalefl.contracts import InputError

    if not (sparsify or noise):
        return list(defence) if defence else None
    if defence:
        raise InputError("--defence does not go with --sparsify and --noise; valid: all steps in --defence")
    steps = product(sparsify or [0.0], noise or [0.0])
    pairs = [{"sparsify": rate, "noise": variance} for rate, variance in steps]
    texts = [", ".join(f"{kind}={value:g}" for kind, value in pair.items() if value) or "none" for pair in pairs]
    return list(dict.fromkeys(texts))
