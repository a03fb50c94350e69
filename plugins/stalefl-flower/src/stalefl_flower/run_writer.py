"""What a federation writes: a run folder with stalefl's own records, so that ``evaluate``, ``report``, ``invert`` and
``privacy-audit`` read it as any other, and a log of its events beside them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stalefl.config.loading import experiment_to_toml
from stalefl.config.schema import Experiment
from stalefl.contracts import ClientUpdate, Contribution, InputError, Split
from stalefl.data.trace import TRACE_COLUMNS, TraceRow
from stalefl.records import metrics
from stalefl.records.environment import environment
from stalefl.records.round_record import round_record
from stalefl.records.run_folder import RunFolder
from stalefl.records.run_result import run_result
from stalefl.server.coordinator import Coordinator
from stalefl.storage import save_weights, write_whole
from stalefl.training.evaluation import evaluate
from stalefl_flower.export import UPDATES, export_update
from stalefl_flower.options import FederationOptions
from stalefl_flower.rounds import FederationState, FinishedRound

ARRIVALS, EVENTS = "arrivals.csv", "federation.jsonl"


@dataclass
class RunWriter:
    """Writes the run folder of a federation."""

    folder: RunFolder
    experiment: Experiment
    options: FederationOptions
    server: Coordinator
    test: Split | None
    arrivals: list[TraceRow] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def create(
        cls, experiment: Experiment, options: FederationOptions, server: Coordinator, test: Split | None
    ) -> RunWriter:
        """A new run folder. Raises InputError if it exists, unless ``force``."""
        place = Path(options.out).absolute()
        if not options.force and place.is_dir() and any(place.iterdir()):
            valid = "another federation.out, or federation.force=true to replace the run in it"
            raise InputError(f"{place} exists and is not empty; valid: {valid}")
        folder = RunFolder.create(place, options.force)
        for name in (ARRIVALS, EVENTS):
            (folder.path / name).unlink(missing_ok=True)
        shutil.rmtree(folder.path / UPDATES, ignore_errors=True)
        folder.write_config(experiment_to_toml(replayable(experiment, folder.path / ARRIVALS)))
        folder.write_environment(environment(str(server.model.device), experiment.run.threads))
        return cls(folder, experiment, options, server, test)

    def add_event(self, event: Mapping[str, Any]) -> None:
        """Add a line to the log of events."""
        line = {"seconds": round(time.monotonic() - self.began, 3), **event}
        with (self.folder.path / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def add_round(
        self, state: FederationState, finished: FinishedRound, awaited: Iterable[tuple[int, int]]
    ) -> dict[str, Any]:
        """Write what a round left; ``awaited`` are (client, round of dispatch) still under way. Gives the record."""
        record = self._record(state, finished)
        self.folder.append_round(record)
        self.arrivals += [TraceRow(u.client, u.dispatched_round, u.arrived_round) for u in finished.updates]
        trace = with_unheard(self.arrivals, awaited, self.server.clients, after_round=state.round)
        write_whole(self.folder.path / ARRIVALS, trace_csv(trace))
        for update in finished.updates:
            if self._is_exported(update):
                export_update(self.folder.path, update, finished.view, self.experiment)
        if state.round % self.experiment.run.checkpoint_every_rounds == 0:
            self._save_weights(state)
        return record

    def close(self, state: FederationState) -> dict[str, Any]:
        """Write weights and result of a federation that has done all its rounds."""
        self._save_weights(state)
        records = self.folder.read_rounds()
        result = run_result(
            method=str(self.experiment.method.name),
            dataset=self.experiment.data.dataset,
            model=self.experiment.model.name,
            seed=self.experiment.run.seed,
            records=records,
            target_accuracy=self.experiment.evaluation.target_accuracy,
            first_late_round=metrics.first_late_round(records),
            wall_seconds=time.monotonic() - self.began,
        )
        self.folder.write_result(result)
        return result

    def _is_exported(self, update: ClientUpdate) -> bool:
        export = self.options.export
        return export == "all" or (export == "late" and update.staleness_rounds > 0)

    def _save_weights(self, state: FederationState) -> None:
        save_weights(self.folder.weights, {**self.server.model.layout.to_named(state.weights), **state.buffers})

    def _record(self, state: FederationState, finished: FinishedRound) -> dict[str, Any]:
        settings, last = self.experiment.evaluation, self.experiment.run.rounds
        due = self.test is not None and (state.round % settings.every_rounds == 0 or state.round == last)
        evaluation = evaluate(self.server.model, state.weights, state.buffers, self.test) if due and self.test else None
        late = sorted(u.staleness_rounds for u in finished.updates if u.staleness_rounds)
        outcome = finished.outcome
        rejected = [
            *((client, "unreadable") for client in finished.refused),
            *zip(outcome.rejected, outcome.causes, strict=True),
        ]
        return round_record(
            round=state.round,
            participants=sorted({u.client for u in finished.updates}),
            staleness_rounds=late,
            rejected_updates=len(rejected),
            server_seconds=finished.server_seconds,
            client_seconds=finished.client_seconds,
            affected_classes=self.experiment.staleness.affected_classes,
            evaluation=evaluation,
            inversion_iterations=outcome.inversion_iterations,
            late_updates=[_late_update(c) for c in outcome.contributions if c.update.staleness_rounds],
            rejections=[{"client": client, "cause": cause} for client, cause in rejected],
        )


def replayable(experiment: Experiment, trace: Path) -> Experiment:
    """The experiment with the trace of what arrived: simulated, it is this run once more."""
    staleness = {"schedule": "trace", "trace": str(trace), "dropout": 0.0}
    return experiment.model_copy(update={"staleness": experiment.staleness.model_copy(update=staleness)})


def with_unheard(
    arrivals: Iterable[TraceRow], awaited: Iterable[tuple[int, int]], clients: int, after_round: int
) -> list[TraceRow]:
    """The rows of a trace: what arrived; what is under way, as to arrive in the round after; and a row beyond the end
    for every client that delivered nothing, as a trace takes those that it does not name to be always on time."""
    beyond = after_round + 1
    rows = [*arrivals, *(TraceRow(client, began, beyond) for client, began in sorted(awaited))]
    silent = set(range(clients)) - {row.client for row in rows}
    return [*rows, *(TraceRow(client, beyond, beyond) for client in sorted(silent))]


def trace_csv(rows: Iterable[TraceRow]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TRACE_COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()


def _late_update(contribution: Contribution) -> dict[str, Any]:
    record = {
        "client": contribution.update.client,
        "staleness_rounds": contribution.update.staleness_rounds,
        "weight": contribution.weight,
        "iterations": contribution.iterations,
    }
    # A plugin names its facts as it likes; none takes the place of ours.
    return {**record, **contribution.facts, **record}
