from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from stalefl.config.schema import TrainingTable
from stalefl.contracts import InputError
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.parts import local_training
from stalefl.run.setup import build_run
from tests.fixtures import digits_experiment
from tests.run.short_runs import CONTEXT, run_it


def test_every_key_of_the_local_program_reaches_it() -> None:
    keys = {
        "local_epochs": 3,
        "batch_size": 7,
        "lr": 0.2,
        "momentum": 0.3,
        "weight_decay": 0.4,
        "nesterov": True,
        "optimizer": "adam",
        "proximal_mu": 0.5,
    }
    assert asdict(local_training(TrainingTable.model_validate(keys))) == keys


def test_methods_see_all_clients_those_that_take_no_part_too() -> None:
    experiment = digits_experiment("mifa", training={"clients_per_round": 1}, run={"rounds": 1})
    assert build_run(experiment, CONTEXT).simulation.clients == 10


def test_methods_of_one_seed_share_partition_late_clients_and_initial_weights() -> None:
    first, second = (build_run(digits_experiment(method), CONTEXT) for method in ("unweighted", "inversion"))
    assert torch.equal(first.start.weights, second.start.weights)
    assert first.late_clients == second.late_clients
    assert first.simulation.jobs == second.simulation.jobs
    assert all((a == b).all() for a, b in zip(first.data.partition.indices, second.data.partition.indices, strict=True))


def test_methods_of_one_seed_are_measured_on_the_same_part_of_the_test_split(tmp_path: Path) -> None:
    """With 20 of 397 test samples, two of each class, accuracies come in twentieths and halves."""
    few = {"test_samples": 20}
    one, other = (build_run(digits_experiment(name, evaluation=few), CONTEXT) for name in ("unweighted", "weighted"))
    assert torch.equal(one.data.test.raw, other.data.test.raw)
    assert torch.bincount(one.data.test.targets).tolist() == [2] * 10
    next_seed = build_run(digits_experiment(evaluation=few, run={"seed": 1}), CONTEXT)
    assert not torch.equal(one.data.test.raw, next_seed.data.test.raw)
    folder = RunFolder.create(tmp_path / "run")
    execute(one, folder)
    last = folder.read_rounds()[-1]
    assert last["accuracy"] * 20 == pytest.approx(round(last["accuracy"] * 20))
    assert set(last["per_class_accuracy"]) <= {0.0, 0.5, 1.0}


def test_a_class_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"affected_class = 10: digits has classes 0 to 9"):
        build_run(digits_experiment(staleness={"affected_class": 10}), CONTEXT)


def test_more_late_clients_than_clients_where_the_partition_comes_from_a_file(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    run_it(digits_experiment(run={"rounds": 1}), folder)
    partition = {"file": str(folder.partition)}
    with pytest.raises(InputError, match="late"):
        build_run(digits_experiment(partition=partition, staleness={"late_clients": 11}), CONTEXT)


def test_more_late_clients_than_clients() -> None:
    with pytest.raises(InputError, match="11 is more than there are clients"):
        digits_experiment(staleness={"late_clients": 11})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"method": "inversoin"}, 'unknown method "inversoin"; did you mean "inversion"'),
        ({"method": "weighted", "options": {"c": 1}}, 'options of method "weighted": .*c'),
        ({"evaluation": {"test_samples": -1}}, "evaluation.test_samples = -1 is not valid; valid: integer >= 0"),
        (
            {"evaluation": {"shadows": {"mine": {"name": "inversoin"}}}},
            'evaluation.shadows.mine: unknown method "inversoin"; did you mean "inversion"',
        ),
        (
            {"evaluation": {"shadows": {"two\nlines": {"name": "inversion", "options": {"sparsify": 1.0}}}}},
            'evaluation.shadows.two lines: options of method "inversion": sparsify = 1.0 is not valid; valid: number',
        ),
        ({"evaluation": {"shadows": {"mine": {}}}}, "evaluation.shadows.mine.name is missing"),
        (
            {"evaluation": {"shadows": {"mine": {"name": "unstale"}}}},
            "evaluation.shadows.mine: unstale estimates nothing; valid: a method that compensates late updates",
        ),
        ({"data": {"dataset": "digit"}}, "digits"),
        ({"model": {"name": "lenet5", "options": {}}}, "lenet"),
        ({"model": {"name": "mlp", "options": {"hidden": [0]}}}, "hidden"),
        ({"data": {"dataset": "mnist"}}, "no-data-needed"),
        (
            {"method": "fedbuff", "server": {"optimizer": "adam", "lr": 0.01}},
            'server.optimizer = "adam", server.lr = 0.01: the method fedbuff has a step of its own at the server',
        ),
    ],
)
def test_what_cannot_work_is_one_line_that_says_what_would(tables: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_run(digits_experiment(**tables), CONTEXT)
    assert "\n" not in str(caught.value)
