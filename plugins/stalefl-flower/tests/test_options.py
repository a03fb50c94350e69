from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli
from flwr.common.config import flatten_dict
from stalefl_flower.options import FederationOptions, read_run_config

from stalefl.config.loading import Layer, build_experiment, experiment_to_toml
from stalefl.contracts import InputError

APP = Path(__file__).parents[1] / "app" / "pyproject.toml"
README = Path(__file__).parents[1] / "README.md"


def app_config() -> dict[str, Any]:
    """As Flower gives it to the ServerApp."""
    return flatten_dict(tomli.loads(APP.read_text())["tool"]["flwr"]["app"]["config"])


def test_the_app_has_every_option_with_its_default() -> None:
    config = app_config()
    assert read_run_config(config).federation == FederationOptions()
    named = {key.removeprefix("federation.") for key in config if key.startswith("federation.")}
    assert named == set(FederationOptions.model_fields)


def test_the_readme_has_a_row_for_every_option() -> None:
    rows = README.read_text()
    for name, field in FederationOptions.model_fields.items():
        assert f"| `federation.{name}` | " in rows
        assert str(field.description) in rows


def test_keys_of_an_experiment_are_taken_from_the_run_config() -> None:
    experiment, options = read_run_config(
        {"method.name": "inversion", "method.options.iterations": 7, "run.rounds": 9, "federation.out": "here"}
    )
    assert (experiment.method.name, experiment.method.options) == ("inversion", {"iterations": 7})
    assert (experiment.run.rounds, options.out) == (9, "here")


def test_set_wins_over_keys_and_both_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text("[run]\nrounds = 1\nseed = 1\n[training]\nlr = 0.5\n[staleness]\naffected_class = 3\n")
    config = {
        "experiment": str(file),
        "run.rounds": 2,
        "run.seed": 2,
        "set": "run.rounds=3; staleness.affected_class=[1, 2]",
    }
    experiment = read_run_config(config).experiment
    assert (experiment.training.lr, experiment.run.seed, experiment.run.rounds) == (0.5, 2, 3)
    assert experiment.staleness.affected_classes == (1, 2)


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (
            {"federation.round_seconds": 0},
            "run config, table federation: round_seconds = 0 is not valid; valid: number > 0",
        ),
        ({"federation.replys": 2}, 'run config, table federation: unknown "replys"; did you mean "replies"?'),
        ({"federation.export": "some"}, 'export = "some" is not valid; valid: one of none, late, all'),
        ({"federation": 3}, "run config: federation is a table"),
        ({"methode": "weighted"}, 'run config: unknown "methode"; did you mean "method"?'),
        ({"run.rounds": "many"}, 'run config: run.rounds = "many" is not valid; valid: integer > 0'),
        ({"set": "run.rounds=0"}, "run config, set run.rounds=0: run.rounds = 0 is not valid"),
        ({"set": "rounds=3"}, "valid: --set TABLE.KEY=VALUE"),
        ({"set": 'method.name=["weighted", "fedbuff"]'}, "a federation runs one method"),
        ({"run.seeds": 2}, "run.seeds = 2: a federation is one run"),
        ({"training.clients_per_round": 2}, "every idle node is given work"),
        ({"drift.dataset": "digits"}, "clients hold the data that they hold"),
        ({"evaluation.oracle": True}, "need the clients' true updates"),
        ({"experiment": "nowhere.toml"}, "nowhere.toml: cannot be read"),
    ],
)
def test_a_bad_run_config_is_one_clear_line(config: dict[str, Any], error: str) -> None:
    with pytest.raises(InputError) as raised:
        read_run_config(config)
    assert error in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_experiment_that_clients_get_is_the_servers() -> None:
    experiment = read_run_config({**app_config(), "set": "training.lr=0.03"}).experiment
    assert build_experiment([Layer("message", tomli.loads(experiment_to_toml(experiment)))], []) == experiment
