"""Checks of an observer, on the records of a run of three rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from stalefl.config.loading import single_run
from stalefl.config.schema import Experiment
from stalefl.contracts import Observer, State, Watched
from stalefl.records.round_record import round_record
from stalefl.records.run_result import run_result
from stalefl.testing.examples import EXAMPLE_SPEC, example_inputs
from stalefl.testing.findings import Check, Finding, assert_none_failed, created, findings
from stalefl.testing.plugins import check_description, check_options_are_validated, class_check
from stalefl.testing.watching import global_draws, watched
from stalefl.training.evaluation import Evaluation

ROUNDS = 3


def check_observer(cls: type[Observer], options: Mapping[str, Any] | None = None) -> list[Finding]:
    """All checks of an observer. Gives what they found; raises AssertionError that lists those that failed."""
    return assert_none_failed(cls, findings(OBSERVER_CHECKS, cls, options))


def check_a_run_is_observed(cls: type[Observer], options: Mapping[str, Any] | None = None) -> str:
    """No step raises an error in a run, with rounds that are not evaluated, late updates and an oracle."""
    with TemporaryDirectory() as folder:
        _observe(created(cls, options or {}), example_watched(Path(folder)), example_records(), _result())
    return ""


def check_a_run_may_be_stopped_and_gone_on_with(cls: type[Observer], options: Mapping[str, Any] | None = None) -> str:
    """A run that was stopped, and whose last round comes again, is observed by a new object."""
    records = example_records()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        _observe(created(cls, options or {}), example_watched(place), records[:2], None)
        _observe(created(cls, options or {}), example_watched(place, records[:1]), records[1:], _result())
    return ""


def check_shown_values_stay_unchanged(cls: type[Observer], options: Mapping[str, Any] | None = None) -> str:
    """No step changes the settings, the records, the method's state or the result."""
    changed = list[str]()
    with TemporaryDirectory() as folder:
        records, result, state = example_records(), _result(), example_state()
        run = example_watched(Path(folder))
        seen = {"settings": run.settings, "records": records, "method_state": state, "result": result}
        with watched(seen, changed):
            _observe(created(cls, options or {}), run, records, result, state)
    assert not changed, f"{changed[0]} is changed; the run and the other observers need it as it is"
    return ""


def check_observing_draws_nothing_globally(cls: type[Observer], options: Mapping[str, Any] | None = None) -> str:
    """No step draws from a global random state: not torch's, not NumPy's, not that of ``random``."""
    drawn = list[str]()
    with TemporaryDirectory() as folder, global_draws(drawn):
        _observe(created(cls, options or {}), example_watched(Path(folder)), example_records(), _result())
    assert not drawn, f"it draws from {drawn[0]}"
    return ""


OBSERVER_CHECKS: Sequence[Check] = (
    class_check("observer"),
    check_description,
    check_options_are_validated,
    check_a_run_is_observed,
    check_a_run_may_be_stopped_and_gone_on_with,
    check_shown_values_stay_unchanged,
    check_observing_draws_nothing_globally,
)


def example_records(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Lines of rounds.jsonl: the accuracy rises by 0.1 a round, round 2 is not evaluated; from then on client 2 is two
    rounds late, with errors as an oracle tells them."""
    return [_record(t) for t in range(1, rounds + 1)]


def _record(t: int) -> dict[str, Any]:
    late = t > 1
    error = {"l1": 0.5 / t, "cosine": 0.25 / t} if late else None
    update = {"client": 2, "staleness_rounds": 2, "weight": 6.0, "iterations": 10, "estimate_error": error}
    return round_record(
        round=t,
        participants=[0, 1, 2],
        staleness_rounds=[2] if late else [],
        rejected_updates=0,
        server_seconds=0.5 * t,
        client_seconds=1.0,
        affected_classes=[2],
        evaluation=None if t == 2 else _evaluation(t),
        inversion_iterations=10 if late else 0,
        late_updates=[{**update, "stale_error": error}] if late else [],
        oracle=True,
        estimate_error=error,
        stale_error=error,
    )


def _evaluation(t: int) -> Evaluation:
    accuracy = 0.3 + 0.1 * t
    return Evaluation(accuracy, [accuracy, accuracy, accuracy - 0.2], torch.zeros(3, 3, dtype=torch.int64), 1 / t)


def example_watched(folder: Path, records: Sequence[Mapping[str, Any]] = ()) -> Watched:
    """A run of the method inversion on ``EXAMPLE_SPEC``, of which ``records`` are done."""
    return Watched(folder, single_run(Experiment(), "inversion", 0).model_dump(), EXAMPLE_SPEC, list(records))


def example_state() -> State:
    """What the method inversion remembers: the D_rec of client 2, two samples."""
    data = {"inputs": example_inputs(count=2), "label_logits": torch.zeros(2, EXAMPLE_SPEC.classes)}
    return {"recovered": {2: data}}


def _result() -> dict[str, Any]:
    return run_result(
        method="inversion",
        dataset="digits",
        model="cnn-digits",
        seed=0,
        records=example_records(),
        target_accuracy=0.5,
        first_late_round=2,
        wall_seconds=1.0,
    )


def _observe(
    observer: Observer,
    run: Watched,
    records: Sequence[Mapping[str, Any]],
    result: Mapping[str, Any] | None,
    state: State | None = None,
) -> None:
    observer.begin(run)
    for record in records:
        observer.observe(record, state or example_state())
    observer.end(result)
