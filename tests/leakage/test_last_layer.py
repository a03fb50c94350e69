from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stalefl.contracts import LocalTraining
from stalefl.leakage.last_layer import (
    LastLayer,
    LayerGradient,
    counts_of,
    label_of_one,
    no_label_gradient,
    noise_embeddings,
    one_hot_labels,
    row_sums,
)
from tests.fixtures import model_of, samples, tiny_mlp
from tests.leakage.exposures import ONE_STEP, exposed, same_inputs

LINEAR = model_of(nn.Linear(4, 3))
ZERO = (LINEAR[0], torch.zeros(15), {})
"""A linear model of zeros: every confidence is a third."""


def layer(gradient: list[list[float]], *, has_bias: bool = True, sent: list[list[bool]] | None = None) -> LayerGradient:
    rows = torch.tensor(gradient, dtype=torch.float64)
    known = torch.ones_like(rows, dtype=torch.bool) if sent is None else torch.tensor(sent)
    return LayerGradient(rows * known, known, torch.zeros_like(rows), torch.zeros_like(rows), has_bias, 1)


# --- the layer ------------------------------------------------------------------------------------------------------


def test_the_last_linear_layer_is_found_in_the_flat_vector() -> None:
    model = tiny_mlp(hidden=5)[0]
    found = LastLayer.of(model, 3)
    assert found is not None
    # 4 x 5 weights and 5 biases come first.
    assert (found.shape, found.weight, found.bias) == ((3, 5), 25, 40)
    assert found.rows(torch.arange(43.0)).tolist()[0] == [25, 26, 27, 28, 29, 40]


def test_a_layer_before_it_with_as_many_outputs_is_passed_over() -> None:
    found = LastLayer.of(model_of(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3, bias=False))[0], 3)
    assert found is not None
    assert (found.weight, found.bias) == (15, None)
    assert found.rows(torch.arange(24.0)).tolist() == [[15, 16, 17], [18, 19, 20], [21, 22, 23]]


@pytest.mark.parametrize("layers", [(nn.Linear(4, 5),), (nn.Unflatten(1, (4, 1)), nn.Conv1d(4, 3, 1), nn.Flatten())])
def test_a_model_may_have_none(layers: tuple[nn.Module, ...]) -> None:
    assert LastLayer.of(model_of(*layers)[0], 3) is None


def test_a_model_without_one_is_unfit() -> None:
    exposure = exposed(model_of(nn.Unflatten(1, (4, 1)), nn.Conv1d(4, 3, 1), nn.Flatten()), samples(4))
    assert no_label_gradient(exposure) == "the model has no linear layer with one output per class"
    with pytest.raises(ValueError, match="no last linear layer"):
        LayerGradient.of(exposure)


def test_an_update_with_nothing_of_the_layer_is_unfit() -> None:
    parts = tiny_mlp(hidden=5)
    first_only = torch.arange(43) < 25
    assert no_label_gradient(exposed(parts, samples(4), sent=first_only)) == "nothing of the last layer was sent"
    assert no_label_gradient(exposed(parts, samples(4))) == ""


def test_the_gradient_is_that_of_the_loss() -> None:
    found = LayerGradient.of(exposed(ZERO, same_inputs([0, 0, 1])))
    # p - n / N = 1/3 - (2/3, 1/3, 0), times the input (1, 0.5, 0, -0.5) and the bias's 1.
    expected = torch.tensor([-1 / 3, 0, 1 / 3])[:, None] * torch.tensor([1, 0.5, 0, -0.5, 1])
    assert torch.allclose(found.gradient, expected.double(), atol=1e-6)
    assert torch.equal(found.last, found.before)


def test_the_last_step_is_one_short_of_the_way() -> None:
    found = LayerGradient.of(exposed(LINEAR, samples(6), LocalTraining(local_epochs=4, lr=0.1)))
    assert torch.allclose(found.last, found.before - 3 * 0.1 * found.gradient, atol=1e-6)


def test_weight_decay_is_no_part_of_it() -> None:
    data = samples(6)
    plain, decayed = (
        LayerGradient.of(exposed(LINEAR, data, replace(ONE_STEP, weight_decay=decay))) for decay in (0, 0.1)
    )
    assert torch.allclose(plain.gradient, decayed.gradient, atol=1e-6)


# --- one sample -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_label_of_one_sample(bias: bool, label: int) -> None:
    parts = model_of(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3, bias=bias))
    assert label_of_one(LayerGradient.of(exposed(parts, same_inputs([label])))) == label


def test_without_a_bias_the_row_that_opposes_the_others_is_that_of_the_label() -> None:
    # Embedding (1, -2) times the errors (0.2, -0.5, 0.3).
    rows = [[0.2, -0.4], [-0.5, 1.0], [0.3, -0.6]]
    assert label_of_one(layer(rows, has_bias=False)) == 1


def test_a_bias_that_was_not_sent_is_not_a_bias_of_zero() -> None:
    rows = [[0.2, -0.4, 0.2], [-0.5, 1.0, -0.5], [0.3, -0.6, 0.3]]
    unsent = [[True, True, False]] * 3
    assert label_of_one(layer(rows, sent=unsent)) == 1


def test_row_sums_leave_the_bias_out() -> None:
    rows = [[1.0, 2.0, 7.0], [-3.0, 0.5, 7.0]]
    assert row_sums(layer(rows)).tolist() == [3.0, -2.5]
    assert row_sums(layer(rows, has_bias=False)).tolist() == [10.0, 4.5]


# --- counts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "samples", "counts"),
    [
        ([0.5, 0.3, 0.2], 10, [5, 3, 2]),
        # 3.5, 2.1 and 1.4: the seventh goes to the largest remainder.
        ([0.5, 0.3, 0.2], 7, [4, 2, 1]),
        ([2.0, 2.0, -1.0], 4, [2, 2, 0]),
        ([0.0, 0.0, 0.0], 3, [1, 1, 1]),
        ([0.2, 0.7, 0.1], 1, [0, 1, 0]),
        ([0.5, float("nan"), 0.5], 2, [1, 0, 1]),
    ],
)
def test_shares_become_counts_by_largest_remainder(shares: list[float], samples: int, counts: list[int]) -> None:
    assert counts_of(torch.tensor(shares), samples).tolist() == counts


def test_a_class_known_to_be_there_gets_a_sample() -> None:
    shares = torch.tensor([0.9, 0.09, 0.01])
    assert counts_of(shares, 4, torch.tensor([True, True, True])).tolist() == [2, 1, 1]
    assert counts_of(shares, 2, torch.tensor([True, True, True])).tolist() == [1, 1, 0]


@given(
    st.lists(st.floats(-1, 5), min_size=1, max_size=12),
    st.integers(1, 300),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_counts_always_sum_to_the_samples(shares: list[float], samples: int, present: list[bool]) -> None:
    counts = counts_of(torch.tensor(shares), samples, torch.tensor(present[: len(shares)]))
    assert int(counts.sum()) == samples
    assert int(counts.min()) >= 0


def test_counts_become_one_row_per_sample() -> None:
    assert one_hot_labels(torch.tensor([2, 0, 1])).tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]


# --- noise ----------------------------------------------------------------------------------------------------------


def test_noise_is_seen_by_the_last_layer() -> None:
    seen = noise_embeddings(exposed(LINEAR, samples(3), LocalTraining(local_epochs=2, lr=0.01)))
    assert seen.shape == (64, 5)
    # Inputs are clamped to -1 and 1, and the bias's column is 1.
    assert float(seen[:, :4].abs().max()) == 1.0
    assert float(seen[:, 4].min()) == float(seen[:, 4].max()) == 1.0
