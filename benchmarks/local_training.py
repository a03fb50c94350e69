"""Local-training throughput of stalefl's round loop against a bare PyTorch loop on the same work.

The bare loop is what one writes by hand: an nn.Module and its inputs in channels_last, cross_entropy, torch.optim.SGD.
Both train the same clients from the same weights on the same batches, in turn (A B A B), and must end at the same
weights. The round loop's time is that of the whole round, the server's aggregation included.

    python benchmarks/local_training.py [--repeats 15] [--threads 1] [--json PATH]
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stalefl.builtins.compensators.unweighted import Unweighted
from stalefl.builtins.models.lenet import LeNet, LeNetOptions
from stalefl.contracts import InputSpec, LocalTraining, Options
from stalefl.seeds import named_generator
from stalefl.simulation.arrivals import Job
from stalefl.simulation.engine import Simulation, run_round, start
from stalefl.training.model import build_flat_model

SPEC = InputSpec((1, 28, 28), 10, ((0.0,), (1.0,)))
CLIENTS, SAMPLES = 2, 600
SEED = 0
TARGET_RATIO = 0.9


@dataclass(frozen=True)
class Figures:
    """Medians over the repeats; ``ratio`` is the median of the ratios of neighbouring runs."""

    batch_size: int
    stalefl_samples_per_second: float
    bare_samples_per_second: float
    ratio: float
    ratio_least: float
    ratio_greatest: float


class FixedClients:
    """Random images, the same in every run, held in memory as the engine expects them."""

    def __init__(self) -> None:
        generator = named_generator(SEED, "benchmark")
        self.inputs = torch.rand(CLIENTS, SAMPLES, *SPEC.shape, generator=generator)
        self.targets = torch.randint(SPEC.classes, (CLIENTS, SAMPLES), generator=generator)

    def client_data(self, client: int, round: int) -> tuple[Tensor, Tensor]:
        return self.inputs[client], self.targets[client]


class BareLoop:
    """Local training as one writes it by hand."""

    def __init__(self, module: nn.Module, data: FixedClients, training: LocalTraining) -> None:
        self.module = module.to(memory_format=torch.channels_last).train()
        self.initial = copy.deepcopy(module.state_dict())
        self.data, self.training = data, training

    def run(self) -> Tensor:
        """Train every client from the initial weights; the mean [P] of their weights."""
        trained = []
        for client in range(CLIENTS):
            self.module.load_state_dict(self.initial)
            self.train(*self.data.client_data(client, 1), named_generator(SEED, "local-training", 1, client))
            trained.append(torch.cat([p.detach().flatten() for p in self.module.parameters()]))
        return torch.stack(trained).mean(0)

    def train(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> None:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(  # noqa: TID251
            self.module.parameters(), lr=self.training.lr, momentum=self.training.momentum
        )
        for _ in range(self.training.local_epochs):
            for x, y in self.batches(inputs, targets, generator):
                optimizer.zero_grad()
                cross_entropy(self.module(x), y).backward()
                optimizer.step()

    def batches(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        if self.training.batch_size == 0:
            return [(inputs, targets)]
        order = torch.randperm(len(inputs), generator=generator)
        return [(inputs[batch], targets[batch]) for batch in order.split(self.training.batch_size)]


def compare(batch_size: int, repeats: int) -> Figures:
    """Both loops in turn on one core's worth of clients; the first, untimed turn checks that they agree."""
    training = LocalTraining(local_epochs=5, batch_size=batch_size, lr=0.01, momentum=0.5)
    plugin, data = LeNet(LeNetOptions()), FixedClients()
    model, weights, buffers = build_flat_model(plugin, SPEC, named_generator(SEED, "initial-weights"))
    jobs = [Job(1, 0, client) for client in range(CLIENTS)]
    sim = Simulation(model, Unweighted(Options()), data, SPEC, training, jobs, SEED)
    module = plugin.build(SPEC)
    nn.utils.vector_to_parameters(weights.clone(), module.parameters())
    bare = BareLoop(module, data, training)

    def stalefl_round() -> Tensor:
        return run_round(sim, start(sim, weights, buffers))[0].weights

    _check_same_work(stalefl_round() - weights, bare.run() - weights)
    seconds = [(_seconds(stalefl_round), _seconds(bare.run)) for _ in range(repeats)]
    samples = CLIENTS * SAMPLES * training.local_epochs
    ratios = [theirs / ours for ours, theirs in seconds]
    return Figures(
        batch_size or SAMPLES,
        samples / statistics.median(ours for ours, _ in seconds),
        samples / statistics.median(theirs for _, theirs in seconds),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def _check_same_work(delta: Tensor, expected: Tensor) -> None:
    """Float32 rounding, enlarged by up to 95 steps, is all the difference there may be."""
    error = ((delta - expected).norm() / expected.norm()).item()
    if not error < 1e-3:
        raise AssertionError(f"the two loops do not do the same work: relative difference {error:.1e}")


def _seconds(work: Callable[[], Tensor]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _machine(threads: int) -> dict[str, object]:
    return {"torch": torch.__version__, "python": platform.python_version(), "threads": threads}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="timed turns of each loop")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads, as run.threads")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    print(f"LeNet, 1x28x28, {CLIENTS} clients of {SAMPLES} samples, 5 epochs, {arguments.threads} thread(s)")
    print(f"{'batch':>6} {'stalefl samples/s':>18} {'bare samples/s':>15} {'ratio':>6} {'least-greatest':>15}")
    rows = []
    for batch_size in (0, 32):
        row = compare(batch_size, arguments.repeats)
        rows.append(row)
        spread = f"{row.ratio_least:.2f}-{row.ratio_greatest:.2f}"
        print(
            f"{row.batch_size:>6} {row.stalefl_samples_per_second:>18,.0f} {row.bare_samples_per_second:>15,.0f} "
            f"{row.ratio:>6.2f} {spread:>15}",
            flush=True,
        )
    met = all(row.ratio >= TARGET_RATIO for row in rows)
    print(f"target: a ratio of at least {TARGET_RATIO} - {'met' if met else 'NOT met'}")
    if arguments.json:
        document = {"target_ratio": TARGET_RATIO, **_machine(arguments.threads), "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
