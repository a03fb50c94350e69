"""Server seconds per late update: stalefl's inversion against the published code's recipe, on the same updates.

A model is trained without staleness at the setting of examples/mnist-paper.toml; then the update that a late client
began ``--staleness`` rounds ago is inverted by either recipe, in turn, in one process, and each estimate is compared
with the client's true fresh update. The published recipe's 40,000 iterations are EXTRAPOLATED from ``--iterations`` of
its own (its cost is the same in every iteration); its error is the one after those.

    STALEFL_DATA=... python -m benchmarks.inversion_cost [--rounds 60] [--clients 2] [--iterations 200] [--json PATH]
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.cases import Trained, parser, train
from stalefl.inversion.recovery import PUBLISHED, RecoveryOptions, recover
from stalefl.simulation.oracle import update_error

EARLIER_ROUNDS = 5
"""How much older the update is from whose D_rec a warm start begins."""
TARGET_SHARE = 1 / 1000


@dataclass(frozen=True)
class Row:
    """One recipe, mean over the clients; errors are relative L1 distances from the true fresh update."""

    recipe: str
    iterations: float
    seconds: float
    estimate_error: float
    stale_error: float


def measure(name: str, trained: Trained, clients: tuple[int, ...], options: RecoveryOptions, warm: bool = False) -> Row:
    figures = []
    for client in clients:
        data, view = trained.data(client), trained.view(client)
        begun = trained.now - trained.staleness_rounds
        update, truth = trained.update(client, begun, data), trained.update(client, trained.now, data).delta
        memory = None
        if warm:
            memory = recover(trained.update(client, begun - EARLIER_ROUNDS, data), view, options).memory
        began = time.perf_counter()
        recovery = recover(update, view, options, memory)
        estimate = recovery.program.train_on(recovery.fit.data, view.weights)
        seconds = time.perf_counter() - began
        errors = (update_error(estimate, truth).l1, update_error(update.delta, truth).l1)
        figures.append((recovery.fit.iterations, seconds, *errors))
    row = Row(name, *(statistics.mean(column) for column in zip(*figures, strict=True)))
    print(f"{row.recipe:<34}{row.iterations:>11,.0f}{row.seconds:>11.2f}{row.estimate_error:>16.3f}", flush=True)
    return row


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--iterations", type=int, default=200, help="iterations of the published recipe to run")
    arguments = options.parse_args()
    trained = train(arguments.rounds, arguments.staleness)
    clients = trained.run.late_clients[: arguments.clients]

    print(f"\n{'mean per late update':<34}{'iterations':>11}{'seconds':>11}{'estimate error':>16}")
    published = RecoveryOptions.model_validate({"recipe": "published", "iterations": arguments.iterations})
    rows = [
        measure("inversion, first time", trained, clients, RecoveryOptions()),
        measure("inversion, warm start", trained, clients, RecoveryOptions(), warm=True),
        measure("inversion, 16 samples, 50 at most", trained, clients, RecoveryOptions(size=16, iterations=50)),
        measure("published, cut short", trained, clients, published),
    ]
    print(f"{'the late update as it is':<45}{'':>11}{rows[0].stale_error:>16.3f}")
    full_seconds = rows[-1].seconds / rows[-1].iterations * PUBLISHED["iterations"]
    print(f"published, {PUBLISHED['iterations']:,} iterations, extrapolated: {full_seconds:,.0f} s")
    for row in rows[:-1]:
        print(f"{row.recipe}: 1/{full_seconds / row.seconds:,.0f} of that (target: at most 1/{1 / TARGET_SHARE:,.0f})")
    if arguments.json:
        document: dict[str, Any] = {
            "torch": torch.__version__,
            **{key: getattr(arguments, key) for key in ("rounds", "staleness", "clients")},
            "published_seconds_extrapolated": full_seconds,
            "rows": [asdict(row) for row in rows],
        }
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
