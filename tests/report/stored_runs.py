"""Run folders with made-up figures, for tests of what is read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stalefl.config.loading import experiment_to_toml, load_experiment
from stalefl.records.environment import environment as current_environment
from stalefl.records.round_record import round_record
from stalefl.records.run_folder import RunFolder
from stalefl.records.run_result import run_result
from stalefl.training.evaluation import Evaluation

AFFECTED = 5


def finished(
    path: Path,
    method: str,
    seed: int,
    affected: Sequence[float] = (0.5, 0.5),
    delay: int = 1,
    iterations: int = 0,
    environment: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **tables: Mapping[str, Any],
) -> RunFolder:
    """A finished run whose accuracy on class 5 in each round is given. From round 2 on an update of client 3 is late;
    the server takes 0.5 s a round, the clients 2 s."""
    flags = {
        "method": {"name": method, "options": options or {}},
        **tables,
        "run": {"seed": seed, "rounds": len(affected)},
    }
    experiment = load_experiment(flags=flags)
    folder = RunFolder.create(path)
    folder.write_config(experiment_to_toml(experiment))
    folder.write_environment({**current_environment("cpu", threads=1), **(environment or {})})
    for round, value in enumerate(affected, start=1):
        folder.append_round(_record(round, value, delay, iterations, changes or {}))
    result = run_result(
        method=method,
        dataset=experiment.data.dataset,
        model=experiment.model.name,
        seed=seed,
        records=folder.read_rounds(),
        target_accuracy=0.8,
        first_late_round=2,
        wall_seconds=1.0,
    )
    folder.write_result(result)
    return folder


def _record(round: int, affected: float, delay: int, iterations: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    per_class = [0.5] * AFFECTED + [affected] + [0.5] * 4
    late = round > 1 and delay > 0
    facts: dict[str, Any] = {
        "participants": (0, 1, 2, 3),
        "staleness_rounds": (delay,) if late else (),
        "rejected_updates": 0,
        "server_seconds": 0.5,
        "client_seconds": 2.0,
        "affected_classes": (AFFECTED,),
        "evaluation": Evaluation(0.5, per_class, torch.zeros(10, 10, dtype=torch.int64), 1.0),
        "inversion_iterations": iterations if late else 0,
    }
    return round_record(round=round, **{**facts, **changes})


def three_seeds(
    place: Path, figures: Mapping[str, Sequence[float]], iterations: Mapping[str, int], **more: Any
) -> None:
    """Of each method a run for each figure, the accuracy in its last round, in which late updates arrive."""
    for method, accuracies in figures.items():
        for seed, accuracy in enumerate(accuracies):
            path = place / method / f"seed-{seed}"
            finished(path, method, seed, (0.1, accuracy), iterations=iterations.get(method, 0), **more)
