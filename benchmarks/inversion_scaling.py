"""What an iteration of the inversion costs: over models, sizes of D_rec and local steps (the paper's appendix G).

Updates are made on random inputs: the cost does not depend on what they show. The server's cost of a round is the cost
of an update times the number of late updates that arrive in it; neither the number of clients nor the number of rounds
enters. Times are medians over a few iterations on one thread.

    python -m benchmarks.inversion_scaling [--iterations 5] [--json PATH]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch

from stalefl.contracts import InputSpec, LocalTraining
from stalefl.inversion.d_rec import random_data
from stalefl.inversion.fit import FitSettings, Target, fit_data
from stalefl.inversion.program import Program
from stalefl.registry import load_registry
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model

DIGITS = InputSpec((1, 8, 8), 10, ((-1.0,), (2.0,)))
MNIST = InputSpec((1, 28, 28), 10, ((-0.4,), (2.8,)))
CIFAR = InputSpec((3, 32, 32), 10, ((-2.0,) * 3, (2.0,) * 3))
MODELS = {"mlp": MNIST, "cnn-digits": DIGITS, "lenet": MNIST, "cnn-cifar": CIFAR, "resnet18": CIFAR}
SIZE, STEPS, CLIENT_SAMPLES = 32, 5, 64


@dataclass(frozen=True)
class Row:
    model: str
    parameters: int
    size: int
    local_steps: int
    seconds_per_iteration: float


def measure(name: str, spec: InputSpec, size: int, steps: int, iterations: int) -> Row:
    plugin = load_registry().create("model", name, {})
    model, weights, buffers = build_flat_model(plugin, spec, named_generator(0, "initial-weights"))
    training = LocalTraining(local_epochs=steps, lr=0.01, momentum=0.5)
    generator = named_generator(0, "benchmark")
    inputs = torch.randn(CLIENT_SAMPLES, *spec.shape, generator=generator)
    targets = torch.randint(spec.classes, (CLIENT_SAMPLES,), generator=generator)
    delta = local_update(model, weights, buffers, inputs, targets, training).delta
    program = Program.of_client(model, training, buffers, CLIENT_SAMPLES)
    start = random_data(spec, size, generator, torch.device("cpu"))
    stamps = [time.perf_counter()]
    fit_data(
        program,
        [Target(weights, delta)],
        spec,
        start,
        FitSettings(iterations=iterations + 1),
        generator,
        lambda iteration: stamps.append(time.perf_counter()),
    )
    # The first iteration warms up.
    seconds = statistics.median(after - before for before, after in pairwise(stamps[1:]))
    row = Row(name, model.layout.size, size, steps, seconds)
    print(f"{name:<12}{row.parameters:>12,}{size:>8}{steps:>13}{1000 * seconds:>16.1f}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=5, help="timed iterations of each row")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'model':<12}{'parameters':>12}{'D_rec':>8}{'local steps':>13}{'ms/iteration':>16}")
    rows = [measure(name, spec, SIZE, STEPS, arguments.iterations) for name, spec in MODELS.items()]
    rows += [measure("lenet", MNIST, size, STEPS, arguments.iterations) for size in (8, 16, 64, 128)]
    rows += [measure("lenet", MNIST, SIZE, steps, arguments.iterations) for steps in (1, 2, 10, 20)]
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
