from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from stalefl.config.loading import load_experiment
from stalefl.config.schema import Experiment
from stalefl.contracts import DataContext, InputError, InputSpec
from stalefl.run.parts import (
    BuiltModel,
    build_model,
    check_classes,
    evaluated_split,
    load_dataset,
    load_drift_dataset,
)
from stalefl.seeds import named_generator
from stalefl.training.model import build_flat_model
from stalefl.training.token_layer import TokenEmbedding
from tests.fixtures import Sequential, digits_experiment

CONTEXT = DataContext(Path("no-data-needed"))
DIGITS = load_dataset(digits_experiment(), CONTEXT)
TEXTS = InputSpec((3,), 2, ((0.0,) * 3, (3.0,) * 3), "tokens", tokens=("<pad>", "<unk>", "who", "why"))
TABLE = torch.tensor([[0.0, 0.0], [1.0, -2.0], [3.0, 0.5], [0.0, 1.0]])


def experiment(*settings: str) -> Experiment:
    return load_experiment(None, settings)


# --- data -----------------------------------------------------------------------------------------------------------


def test_a_data_set_lacks_the_affected_class() -> None:
    check_classes(experiment("staleness.affected_class=9"), DIGITS)
    with pytest.raises(InputError, match="staleness.affected_class = 10: digits has classes 0 to 9"):
        check_classes(experiment("staleness.affected_class=10"), DIGITS)


def test_without_drift_there_is_no_second_data_set() -> None:
    assert load_drift_dataset(experiment(), CONTEXT, DIGITS) is None


def test_the_second_data_set_has_the_inputs_of_the_first() -> None:
    second = load_drift_dataset(experiment("drift.dataset=digits-blended"), CONTEXT, DIGITS)
    assert second is not None
    assert (second.name, second.spec) == ("digits-blended", DIGITS.spec)


def test_the_evaluated_split_is_as_large_as_the_experiment_says() -> None:
    assert len(evaluated_split(experiment("evaluation.test_samples=50"), DIGITS)) == 50
    assert evaluated_split(experiment("evaluation.test_samples=0"), DIGITS) is DIGITS.test


# --- model ----------------------------------------------------------------------------------------------------------


def text_model(trained: bool) -> BuiltModel:
    """A model of texts whose table is a parameter, or a buffer."""
    plugin = Sequential(TokenEmbedding(4, 2, trained), nn.Flatten(), nn.Linear(6, 2))
    return BuiltModel(*build_flat_model(plugin, TEXTS, named_generator(0, "initial-weights")), TEXTS)


def test_a_model_has_the_initial_weights_of_its_seed() -> None:
    one, again, other = (
        build_model(experiment("model.name=mlp", f"run.seed={seed}"), DIGITS.spec).weights for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("settings", [["model.name=nlp"], ["run.device=cuda:99"], ["model.options.heads=3"]])
def test_a_model_that_cannot_be_built(settings: list[str]) -> None:
    with pytest.raises(InputError):
        build_model(experiment(*settings), DIGITS.spec)


def test_methods_see_inputs_that_are_no_tokens_as_they_are() -> None:
    built = build_model(experiment("model.name=mlp"), DIGITS.spec)
    assert built.token_table is None
    assert built.input_spec is DIGITS.spec


@pytest.mark.parametrize("trained", [True, False], ids=["parameter", "buffer"])
def test_methods_see_tokens_as_the_vectors_of_the_weights_in_hand(trained: bool) -> None:
    built = text_model(trained)
    state = {**built.model.layout.to_named(built.weights), **built.buffers, "0.table": TABLE}
    buffers = {} if trained else {"0.table": TABLE}
    other = built.with_weights(built.model.layout.from_named(state), buffers)
    assert other.token_table is not None
    assert torch.equal(other.token_table, TABLE)
    assert not torch.equal(built.token_table, TABLE)  # type: ignore[arg-type]
    assert (other.input_spec.space, other.input_spec.shape) == ("embedding", (3, 2))
    assert other.input_spec.value_range == ((-2.0,) * 3, (3.0,) * 3)


def test_buffers_that_are_not_given_stay() -> None:
    built = text_model(trained=False)
    assert built.with_weights(built.weights + 1, {}).buffers == built.buffers
