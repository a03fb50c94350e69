"""Updates as files that ``stalefl invert`` and ``stalefl privacy-audit`` read, each with the commands that do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stalefl.cli.update_options import UNUSED_WITH_FILES
from stalefl.config.explain import as_toml
from stalefl.config.schema import Experiment
from stalefl.contracts import ClientUpdate, ServerView
from stalefl.records.json_files import json_document
from stalefl.storage import save_weights, write_whole

UPDATES = "updates"
OF_AN_UPDATE = ("data", "model", "training")
"""Tables of an experiment that say how an update was made."""


def export_update(run: Path, update: ClientUpdate, view: ServerView, experiment: Experiment) -> Path:
    """Write ``base``, ``update`` (a difference) and ``current`` (the model when it arrived) below ``run``, with
    ``update.json`` and ``commands.sh``; gives their folder. Raises InputError if that cannot be written."""
    place = (
        run
        / UPDATES
        / f"round-{update.arrived_round:04d}-client-{update.client:03d}-from-{update.dispatched_round:04d}"
    )
    place.mkdir(parents=True, exist_ok=True)
    named = view.model.layout.to_named
    save_weights(place / "base.safetensors", named(update.base_weights))
    save_weights(place / "update.safetensors", named(update.delta))
    save_weights(place / "current.safetensors", {**named(view.weights), **view.buffers})
    facts = {
        "client": update.client,
        "dispatched_round": update.dispatched_round,
        "arrived_round": update.arrived_round,
        "samples": update.samples,
        "training": experiment.training.model_dump(),
    }
    write_whole(place / "update.json", json_document(facts))
    write_whole(
        place / "commands.sh", "".join(f"# {what}\n{line}\n" for what, line in commands(update, experiment)).encode()
    )
    return place


def commands(update: ClientUpdate, experiment: Experiment) -> list[tuple[str, str]]:
    """What can be done with an exported update, and the command line that does it, for its folder."""
    files = ["--base", "base.safetensors", "--update", "update.safetensors"]
    settings = [part for text in _settings(experiment) for part in ("--set", text)]
    told = [*files, "--samples", str(update.samples), *settings]
    return [
        ("Data whose training reproduces the update, and the update of today's model that follows.", _invert(told)),
        (
            "Which labels it gives away, in seconds. Without --attack: all that fits, hours for many samples.",
            _audit(told),
        ),
    ]


def _invert(told: list[str]) -> str:
    return shlex.join(["stalefl", "invert", *told, "--current", "current.safetensors", "--out", "inversion"])


def _audit(told: list[str]) -> str:
    return shlex.join(["stalefl", "privacy-audit", *told, "--attack", "label-counts", "--out", "audit"])


def _settings(experiment: Experiment) -> Iterator[str]:
    """The local program, the model and the data set in the words of ``--set``."""
    for table in OF_AN_UPDATE:
        for key, value in _flat(table, getattr(experiment, table).model_dump()):
            if key not in UNUSED_WITH_FILES:
                yield f"{key}={as_toml(value)}"
    yield f"run.seed={experiment.run.seed}"


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(f"{name}.{key}", inner)
