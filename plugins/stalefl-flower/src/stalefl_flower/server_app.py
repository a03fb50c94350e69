"""The ServerApp: reads the run config, runs the rounds, writes the run folder."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from stalefl.config.loading import experiment_to_toml
from stalefl.contracts import InputError
from stalefl_flower.event_log import EventLog
from stalefl_flower.messenger import Grid as AnyGrid
from stalefl_flower.messenger import Messenger
from stalefl_flower.options import read_run_config
from stalefl_flower.rounds import Clock, Federation
from stalefl_flower.run_writer import RunWriter
from stalefl_flower.setup import set_up_server

app = ServerApp()
log = logging.getLogger("stalefl_flower")


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run a federation. Flower marks the run as failed, with the error's one line, for bad input."""
    _log_to_stdout()
    try:
        run_federation(grid, context.run_config)
    except InputError as error:
        log.error("error: %s", error)
        raise InputError(str(error)) from None


def run_federation(grid: AnyGrid, run_config: Mapping[str, Any], clock: Clock | None = None) -> dict[str, Any]:
    """All rounds; gives the result. Raises InputError for a bad run config, and if nobody replies any more."""
    experiment, options = read_run_config(run_config)
    setup = set_up_server(experiment)
    writer = RunWriter.create(experiment, options, setup.server, setup.test)
    with writer.folder.locked():
        events = EventLog(writer.add_event)
        federation = Federation(
            setup.server, Messenger(grid), options, experiment_to_toml(experiment), events, clock or Clock()
        )
        start = state = federation.start(setup.weights, setup.buffers)
        for state, finished in federation.rounds(start, experiment.run.rounds):
            record = writer.add_round(state, finished, federation.messenger.awaited())
            log.info(_round_in_words(record))
        result = writer.close(state)
    log.info("done: %s", writer.folder.path)
    log.info("next: stalefl report %s", writer.folder.path)
    return result


def _round_in_words(record: Mapping[str, Any]) -> str:
    accuracy = record["accuracy"]
    tested = "" if accuracy is None else f", accuracy {accuracy:.3f}"
    if record["affected_class_accuracy"] is not None:
        tested += f", on the affected class {record['affected_class_accuracy']:.3f}"
    late = f", {record['stale_updates']} late" if record["stale_updates"] else ""
    rejected = f", {record['rejected_updates']} rejected" if record["rejected_updates"] else ""
    return f"round {record['round']} done: clients {record['participants']}{late}{rejected}{tested}"


def _log_to_stdout() -> None:
    """Where Flower takes a run's log from."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("stalefl", "stalefl_flower"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "stalefl_flower" else logging.WARNING)
