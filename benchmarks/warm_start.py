"""Table 5 of Wang and Gao, AAAI 2025: iterations saved by a warm start when part of a client's data has changed.

A client's update is inverted; five rounds later, with 0, 5, 20 or 50 % of its samples replaced by others drawn from all
clients' data, its next update is inverted, once from a random start and once from the first D_rec. Counted are the
iterations until the loss has come down to a level that the random start reaches after ``--iterations``.

    STALEFL_DATA=... python -m benchmarks.warm_start [--rounds 60] [--clients 4] [--iterations 100] [--json PATH]
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from benchmarks.cases import Trained, parser, train
from stalefl.inversion.recovery import RecoveryOptions, recover
from stalefl.seeds import named_generator

CHANGED = (0.0, 0.05, 0.2, 0.5)
LATER_ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """Mean over the clients."""

    changed_share: float
    cold_iterations: float
    warm_iterations: float
    saved_share: float


def replaced(trained: Trained, client: int, share: float) -> tuple[Tensor, Tensor]:
    """The client's data with a share of its samples replaced by samples from all clients' data."""
    inputs, targets = trained.data(client)
    generator = named_generator(0, "benchmark-replaced", client)
    places = torch.randperm(len(targets), generator=generator)[: round(share * len(targets))]
    train_split = trained.run.data.dataset.train
    chosen = torch.randperm(len(train_split), generator=generator)[: len(places)]
    new_inputs, new_targets = train_split.take(chosen)
    inputs, targets = inputs.clone(), targets.clone()
    inputs[places], targets[places] = new_inputs, new_targets
    return inputs, targets


def reached(losses: tuple[float, ...], level: float) -> int:
    """The first iteration, from 1, whose loss is at most ``level``; one more than there are if none is."""
    return next((i for i, loss in enumerate(losses, start=1) if loss <= level), len(losses) + 1)


def measure(trained: Trained, clients: tuple[int, ...], share: float, iterations: int) -> Row:
    options = RecoveryOptions(size=32, tolerance=0, iterations=iterations, warm_iterations=iterations)
    begun, cold_counts, warm_counts = trained.now - trained.staleness_rounds, [], []
    for client in clients:
        first = trained.update(client, begun - LATER_ROUNDS, trained.data(client))
        update = trained.update(client, begun, replaced(trained, client, share))
        memory = recover(first, trained.view(client), options).memory
        cold = recover(update, trained.view(client), options).fit.losses
        warm = recover(update, trained.view(client), options, memory).fit.losses
        level = statistics.mean(cold[-10:])
        cold_counts.append(reached(cold, level))
        warm_counts.append(reached(warm, level))
    cold_mean, warm_mean = statistics.mean(cold_counts), statistics.mean(warm_counts)
    row = Row(share, cold_mean, warm_mean, 1 - warm_mean / cold_mean)
    print(f"{share:>8.0%}{cold_mean:>12.1f}{warm_mean:>12.1f}{row.saved_share:>10.0%}", flush=True)
    return row


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.set_defaults(clients=4)
    options.add_argument("--iterations", type=int, default=100, help="iterations from the random start")
    arguments = options.parse_args()
    trained = train(arguments.rounds, arguments.staleness)
    clients = trained.run.late_clients[: arguments.clients]
    print(f"{'changed':>8}{'cold':>12}{'warm':>12}{'saved':>10}")
    rows = [measure(trained, clients, share, arguments.iterations) for share in CHANGED]
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
