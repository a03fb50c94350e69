"""Where ``privacy-audit`` takes its updates from: a run, a user's files, or clients made on the spot."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stalefl.cli.observing import Watch, files_experiment

if TYPE_CHECKING:
    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext, Dataset
    from stalefl.updates.observed import Observed

logger = logging.getLogger(__name__)


class Source(NamedTuple):
    """The titled updates to be audited, the data set behind them, and the experiment that says what is done."""

    experiment: Experiment
    dataset: Dataset
    updates: list[tuple[str, Observed]]


def defences(
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


def local_program(local_steps: int | None, file: Path | None, settings: Sequence[str] | None) -> dict[str, Any]:
    """One full-batch step unless something says otherwise."""
    if local_steps is not None:
        return {"local_epochs": local_steps, "batch_size": 0}
    if file is not None:
        return {}
    said = [text.partition("=")[0].strip() for text in settings or []]
    return {key: value for key, value in {"local_epochs": 1, "batch_size": 0}.items() if f"training.{key}" not in said}


def of_run(
    place: Mapping[str, Any],
    flags: Mapping[str, Mapping[str, Any]],
    settings: Sequence[str],
    context: DataContext,
    watch: Watch,
) -> Source:
    """The update of a run; the run's own experiment, but for what the audit does."""
    from stalefl.cli.common import given_only
    from stalefl.config.loading import load_experiment
    from stalefl.contracts import InputError
    from stalefl.records.run_folder import RunFolder

    path, client, round = place["--run"], place["--client"], place["--round"]
    if wrong := next((text for text in settings if not text.strip().startswith("audit.")), None):
        raise InputError(f"--set {wrong}: beside --run only audit.KEY=VALUE; all else is as the run has it")
    with watch.reading(path):
        from stalefl.updates import observed

        audit = load_experiment(None, settings, given_only({"audit": flags["audit"]})).audit
        run = observed.open_run(path, flags["run"]["device"], context)
        observed.check_arrival(run, client, round)
    with watch.steps("replaying: round", round) as advance:
        found = observed.from_run(run, client, round, RunFolder(path).read_rounds(), advance)
    drawn_from = run.experiment.run.model_copy(update=given_only(flags).get("run", {}))
    experiment = run.experiment.model_copy(update={"audit": audit, "run": drawn_from})
    return Source(experiment, run.data.dataset, [(_title(found), found)])


def _title(found: Observed) -> str:
    """Which update of a run it is."""
    arrived = found.arrived
    assert arrived is not None
    late = f", {arrived.staleness_rounds} rounds late" if arrived.staleness_rounds else ", on time"
    return f"client {arrived.client}, round {arrived.round}{late}"


def of_files(
    files: Mapping[str, Any],
    flags: Mapping[str, Mapping[str, Any]],
    settings: Sequence[str],
    context: DataContext,
    watch: Watch,
) -> Source:
    experiment = files_experiment(settings, flags, own_tables=["audit"])
    with watch.reading(files["--base"]):
        from stalefl.audit.audit import load_dataset
        from stalefl.updates import observed

        given = {name.removeprefix("--").replace("-", "_"): value for name, value in files.items()}
        found = observed.from_files(experiment, observed.UpdateFiles(**given), context)
        if not found.samples_known:
            logger.warning("no --samples: the client is taken to have one sample")
        return Source(experiment, load_dataset(experiment, context), [("the update", found)])


def on_the_spot(
    file: Path | None,
    flags: Mapping[str, Mapping[str, Any]],
    settings: Sequence[str],
    weights: Path | None,
    context: DataContext,
    watch: Watch,
) -> Source:
    from stalefl.cli.common import given_only
    from stalefl.config.loading import load_experiment

    experiment = load_experiment(file, settings, given_only(flags))
    with watch.reading(Path(experiment.data.dataset)):
        from stalefl.audit.audit import load_dataset
        from stalefl.updates.on_the_spot import made_of_samples

        dataset = load_dataset(experiment, context)
        made = made_of_samples(experiment, dataset, weights)
        return Source(experiment, dataset, [(f"client {case}", found) for case, found in enumerate(made)])
