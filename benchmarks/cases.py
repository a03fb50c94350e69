"""Late updates to measure on: real data, a model trained without staleness, and the truth beside each update."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stalefl.config.loading import load_experiment, single_run
from stalefl.contracts import ClientUpdate, DataContext, ServerView
from stalefl.run.setup import Run, build_run
from stalefl.seeds import named_generator
from stalefl.simulation import engine
from stalefl.training.local_update import local_update

EXAMPLE = Path(__file__).parent.parent / "examples" / "mnist-paper.toml"


def parser(description: str) -> argparse.ArgumentParser:
    """The options that choose the updates."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--rounds", type=int, default=60, help="rounds of training before the update arrives")
    options.add_argument("--staleness", type=int, default=40, help="rounds the update is late")
    options.add_argument("--clients", type=int, default=2, help="late clients to invert")
    options.add_argument("--json", type=Path, help="also write the figures to this file")
    return options


@dataclass(frozen=True)
class Trained:
    """A run without staleness, and the global weights [P] before each of its rounds, the last ones at the end."""

    run: Run
    weights: list[Tensor]
    staleness_rounds: int

    @property
    def now(self) -> int:
        return len(self.weights) - 1

    def data(self, client: int) -> tuple[Tensor, Tensor]:
        return self.run.data.client_data(client, 1)

    def update(self, client: int, round: int, data: tuple[Tensor, Tensor]) -> ClientUpdate:
        """The update that the client computes from the weights of a round on ``data``."""
        sim, base = self.run.simulation, self.weights[round]
        delta = local_update(sim.model, base, self.run.start.buffers, *data, sim.training).delta
        return ClientUpdate(client, delta, len(data[1]), round, round + self.staleness_rounds, base)

    def view(self, client: int) -> ServerView:
        sim, generator = self.run.simulation, named_generator(0, "benchmark", client)
        return ServerView(
            self.now, self.weights[-1], self.run.start.buffers, sim.model, sim.training, sim.input_spec, generator
        )


def train(rounds: int, staleness_rounds: int) -> Trained:
    """Train at the setting of examples/mnist-paper.toml, on one thread."""
    torch.set_num_threads(1)
    data = os.environ.get("STALEFL_DATA")
    if not data:
        raise SystemExit("set STALEFL_DATA to the folder that holds MNIST")
    experiment = load_experiment(EXAMPLE, (), {"run": {"rounds": rounds, "seeds": 1}})
    run = build_run(single_run(experiment, "unstale", 0), DataContext(Path(data)))
    weights = [run.start.weights]
    for state, outcome in engine.rounds(run.simulation, run.start, rounds):
        weights.append(state.weights)
        if outcome.round % 10 == 0:
            print(f"training: round {outcome.round}/{rounds}", flush=True)
    return Trained(run, weights, staleness_rounds)
