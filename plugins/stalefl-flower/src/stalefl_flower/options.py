"""What Flower's run config says: keys of a stalefl experiment, and how the federation is run (``federation.*``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from stalefl.config.explain import first_of, nearest, one_line, problems, validate
from stalefl.config.loading import Layer, build_experiment, file_layers, parse_override
from stalefl.config.schema import DriftTable, Experiment
from stalefl.contracts import InputError, Options

FEDERATION = "federation"


class FederationOptions(Options):
    """How the rounds of a federation are timed, and what is written of it."""

    out: str = Field("runs/flower", description="run folder, relative to where the SuperLink was started")
    force: bool = Field(False, description="replace the run that is in that folder")
    clients_to_start: PositiveInt = Field(2, description="clients that must have joined before the first round")
    replies: NonNegativeInt = Field(
        0, description="a round ends with so many replies, fresh or late; 0 = with those of all who began in it"
    )
    round_seconds: PositiveFloat = Field(60.0, description="a round with at least one reply ends after this time")
    reply_seconds: PositiveFloat = Field(3600.0, description="a reply that takes longer is given up")
    patience_seconds: PositiveFloat = Field(900.0, description="without any usable reply for this time the run fails")
    poll_seconds: PositiveFloat = Field(0.5, description="how often replies and new nodes are asked for")
    export: Literal["none", "late", "all"] = Field(
        "none", description="updates to write as files that invert and privacy-audit read"
    )


class RunConfig(NamedTuple):
    experiment: Experiment
    federation: FederationOptions


def read_run_config(run_config: Mapping[str, Any]) -> RunConfig:
    """Flower's run config: ``experiment`` (a file), any ``TABLE.KEY`` of an experiment, ``set`` with more of them
    ("method.name=weighted; run.rounds=9", which win), and ``federation.KEY``.

    Raises InputError, one line, for what is unknown, out of range, or means nothing in a real federation.
    """
    tables = _nested(run_config)
    federation = _federation(tables.pop(FEDERATION, {}))
    file, texts = tables.pop("experiment", ""), tables.pop("set", "")
    if stray := next((key for key, value in tables.items() if not isinstance(value, dict)), None):
        valid = nearest(stray, ["experiment", "set", FEDERATION, *Experiment.model_fields])
        raise InputError(f'run config: unknown "{one_line(stray)}"; {valid}')
    files = file_layers(Path(str(file))) if file else []
    experiment = build_experiment(files, [Layer("run config", tables), *_settings(str(texts))])
    if unfit := next(_unfit(experiment), None):
        raise InputError(f"run config: {unfit}")
    return RunConfig(experiment, federation)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """``{"method.options.gamma": 1}`` -> ``{"method": {"options": {"gamma": 1}}}``: Flower's run config is flat."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *tables, last = key.split(".")
        place = nested
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise InputError(f'run config: "{one_line(key)}" is below a key that has a value of its own')
        place[last] = value
    return nested


def _settings(texts: str) -> Iterator[Layer]:
    for text in filter(None, map(str.strip, texts.split(";"))):
        if text.startswith(f"{FEDERATION}."):
            raise InputError(f"run config, set {one_line(text)}: valid: {FEDERATION}.KEY beside set, not in it")
        yield Layer(f"run config, set {one_line(text)}", parse_override(text))


def _federation(table: Any) -> FederationOptions:
    if not isinstance(table, dict):
        raise InputError(f"run config: {FEDERATION} is a table; valid: {FEDERATION}.out = ...")
    try:
        return validate(FederationOptions, table)
    except ValidationError as error:
        text = one_line(first_of(problems(error, FederationOptions, table)))
        raise InputError(f"run config, table {FEDERATION}: {text}") from error


def _unfit(experiment: Experiment) -> Iterator[str]:
    """What can be simulated, but not asked of a real federation."""
    if not isinstance(experiment.method.name, str):
        yield f"method.name = {list(experiment.method.name)}: a federation runs one method; valid: one name"
    if experiment.run.seeds != 1:
        yield f"run.seeds = {experiment.run.seeds}: a federation is one run; valid: 1"
    if experiment.training.clients_per_round != 1.0:
        yield "training.clients_per_round: every idle node is given work; valid: 1.0"
    if experiment.drift != DriftTable():
        yield "drift: clients hold the data that they hold; valid: no table [drift]"
    if experiment.evaluation.oracle or experiment.evaluation.shadows:
        yield "evaluation.oracle and evaluation.shadows need the clients' true updates; valid: without them"
