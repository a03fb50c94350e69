"""One local training at a node, as the simulator's client would do it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache

import tomli
from flwr.app import Message
from torch import Tensor

from stalefl.config.loading import Layer, build_experiment
from stalefl.config.schema import Experiment
from stalefl.run.parts import local_training
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from stalefl_flower.setup import ClientSetup, set_up_client
from stalefl_flower.train_messages import TrainInstruction, TrainReply, read_instruction, reply_message


def train_and_reply(message: Message, own_client: int | None, delay_seconds: float) -> Message:
    """The reply to an instruction. ``own_client`` says whose samples are used; None: those of the client it names."""
    began = time.monotonic()
    instruction, named = read_instruction(message)
    setup = _setup(instruction.experiment, instruction.client if own_client is None else own_client)
    reply = trained(instruction, named, setup)
    time.sleep(delay_seconds)
    return reply_message(message, reply._replace(train_seconds=time.monotonic() - began), setup.model)


def trained(instruction: TrainInstruction, named: Mapping[str, Tensor], setup: ClientSetup) -> TrainReply:
    """The update that the simulator's client would send: the same program, data and named draws."""
    experiment, model = _experiment(instruction.experiment), setup.model
    weights = model.layout.from_named(named).to(model.device)
    buffers = {name: value.to(model.device) for name, value in named.items() if name not in model.layout.names}
    inputs, targets = setup.data
    generator = named_generator(experiment.run.seed, "local-training", instruction.round, instruction.client)
    program = local_training(experiment.training)
    result = local_update(model, weights, buffers, inputs, targets, program, generator)
    return TrainReply(result.delta, result.buffers, len(targets), 0.0)


@lru_cache(maxsize=1)
def _experiment(toml: str) -> Experiment:
    return build_experiment([Layer("the ServerApp's experiment", tomli.loads(toml))], [])


@lru_cache(maxsize=1)
def _setup(toml: str, client: int) -> ClientSetup:
    # The same for all instructions of a run, where Flower keeps the process.
    return set_up_client(_experiment(toml), client)
