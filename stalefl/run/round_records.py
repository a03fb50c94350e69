"""What the record of a round says: the model's evaluation, and the facts of the round."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from stalefl.data.drift import DriftingData
from stalefl.records.round_record import accuracies, round_record
from stalefl.run.setup import Run
from stalefl.simulation import engine
from stalefl.simulation.oracle import UpdateError
from stalefl.simulation.round_outcome import LateUpdate, RoundOutcome, Shadow
from stalefl.training.evaluation import Evaluation, evaluate, mixture


@dataclass(frozen=True)
class RoundEvaluation:
    """The model after a round, on the test split; where data drift, on the mix that the clients then hold."""

    evaluation: Evaluation
    before: Evaluation | None = None
    """On the first domain alone, where data drift."""
    after: Evaluation | None = None
    """On the second."""


def evaluate_round(run: Run, state: engine.SimulationState) -> RoundEvaluation:
    """Evaluate the model of ``state``, whose round is the last one done."""
    on = partial(evaluate, run.simulation.model, state.weights, state.buffers)
    before = on(run.data.test)
    if not isinstance(run.data, DriftingData):
        return RoundEvaluation(before)
    after = on(run.data.second_test)
    return RoundEvaluation(mixture(before, after, run.data.class_shares(state.round)), before, after)


def record_after_round(run: Run, state: engine.SimulationState, outcome: RoundOutcome) -> dict[str, Any]:
    """The record of a round that is done. The model is evaluated where ``evaluation.every_rounds`` asks for it."""
    settings = run.experiment.evaluation
    due = outcome.round % settings.every_rounds == 0 or outcome.round == run.experiment.run.rounds
    evaluated = evaluate_round(run, state) if due else None
    return round_record(
        round=outcome.round,
        participants=outcome.participants,
        staleness_rounds=outcome.staleness_rounds,
        rejected_updates=len(outcome.rejected),
        server_seconds=outcome.server_seconds,
        client_seconds=outcome.client_seconds,
        affected_classes=run.experiment.staleness.affected_classes,
        evaluation=evaluated.evaluation if evaluated else None,
        inversion_iterations=outcome.inversion_iterations,
        oracle=run.simulation.oracle,
        late_updates=[_late_update(late, run.simulation.oracle) for late in outcome.late_updates],
        estimate_error=_errors(outcome.estimate_error),
        stale_error=_errors(outcome.stale_error),
        shadows={label: _shadow_record(shadow) for label, shadow in outcome.shadows.items()},
        drift=_drift_record(run, outcome.round, evaluated),
        rejections=[{"client": of, "cause": why} for of, why in zip(outcome.rejected, outcome.causes, strict=True)],
    )


def _drift_record(run: Run, round: int, evaluated: RoundEvaluation | None) -> dict[str, Any] | None:
    if not isinstance(run.data, DriftingData):
        return None
    affected = run.experiment.staleness.affected_classes
    domains = {"before": evaluated.before, "after": evaluated.after} if evaluated else {"before": None, "after": None}
    return {
        "replaced_share": run.data.replaced_share(round),
        **{domain: accuracies(evaluation, affected) for domain, evaluation in domains.items()},
    }


def _shadow_record(shadow: Shadow) -> dict[str, Any]:
    return {
        "estimate_error": _errors(shadow.estimate_error),
        "iterations": shadow.iterations,
        "seconds": shadow.seconds,
        "late_updates": [{"client": late.client, **late.facts} for late in shadow.late_updates if late.facts],
    }


def _late_update(late: LateUpdate, oracle: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "client": late.client,
        "staleness_rounds": late.staleness_rounds,
        "weight": late.weight,
        "iterations": late.iterations,
    }
    if oracle:
        record |= {"estimate_error": _errors(late.estimate_error), "stale_error": _errors(late.stale_error)}
    # A plugin names its facts as it likes; none takes the place of ours.
    return {**record, **late.facts, **record}


def _errors(error: UpdateError | None) -> dict[str, float] | None:
    return asdict(error) if error else None
