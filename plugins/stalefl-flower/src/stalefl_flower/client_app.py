"""The ClientApp: stalefl's local program on this node's part of a data set.

The node's config (``flower-supernode --node-config``) may say ``partition-id``, which client it is, and
``delay-seconds``, how much slower than its machine it is to be (for trials).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import tomli
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from torch import Tensor

from stalefl.config.loading import Layer, build_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import InputError
from stalefl.experiment import local_training
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from stalefl_flower.protocol import JOIN, Reply, Work, joined_reply, read_work, update_reply
from stalefl_flower.setup import ClientSetup, set_up_client

app = ClientApp()


@app.query(JOIN.partition(".")[2])
def join(message: Message, context: Context) -> Message:
    """Which client this node is."""
    return joined_reply(message, partition_id(context.node_config))


@app.train()
def train(message: Message, context: Context) -> Message:
    """One local training, from the model in the message."""
    began = time.monotonic()
    work, named = read_work(message)
    own = partition_id(context.node_config)
    setup = _setup(work.experiment, work.client if own is None else own)
    reply = trained(work, named, setup)
    time.sleep(delay_seconds(context.node_config))
    return update_reply(message, reply._replace(train_seconds=time.monotonic() - began), setup.model)


def trained(work: Work, named: Mapping[str, Tensor], setup: ClientSetup) -> Reply:
    """The update that the simulator's client would send: the same program, data and named draws."""
    experiment, model = _experiment(work.experiment), setup.model
    weights = model.layout.from_named(named).to(model.device)
    buffers = {name: value.to(model.device) for name, value in named.items() if name not in model.layout.names}
    inputs, targets = setup.data
    generator = named_generator(experiment.run.seed, "local-training", work.round, work.client)
    program = local_training(experiment.training)
    result = local_update(model, weights, buffers, inputs, targets, program, generator)
    return Reply(result.delta, result.buffers, len(targets), 0.0)


def partition_id(node_config: Mapping[str, Any]) -> int | None:
    """``partition-id``, or None. Raises InputError unless it is a whole number."""
    value = node_config.get("partition-id")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise InputError(f"node config: partition-id = {value!r} is not valid; valid: a client's number, from 0")
    return value


def delay_seconds(node_config: Mapping[str, Any]) -> float:
    """``delay-seconds``, 0 where it is not given. Raises InputError unless it is a number from 0."""
    value = node_config.get("delay-seconds", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InputError(f"node config: delay-seconds = {value!r} is not valid; valid: a number, 0 or more")
    return float(value)


@lru_cache(maxsize=1)
def _experiment(toml: str) -> Experiment:
    return build_experiment([Layer("the ServerApp's experiment", tomli.loads(toml))])


@lru_cache(maxsize=1)
def _setup(toml: str, client: int) -> ClientSetup:
    # The same for all work of a run, where Flower keeps the process.
    return set_up_client(_experiment(toml), client)
