from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stalefl.contracts import LocalTraining
from stalefl.leakage.label_shares import (
    Errors,
    class_embeddings,
    common_embedding,
    confidence_errors,
    label_counts,
    mean_confidences,
    noise_variance,
    off_rank_one,
    solved_shares,
)
from stalefl.leakage.last_layer import LayerGradient
from tests.fixtures import model_of, samples, tiny_mlp
from tests.leakage.exposures import exposed, same_inputs

LINEAR = model_of(nn.Linear(4, 3))
WITHOUT_BIAS = model_of(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3, bias=False))
EMBEDDING = torch.tensor([2.0, -1.0, 0.5, 1.0], dtype=torch.float64)
ERRORS = torch.tensor([-0.5, 0.1, 0.4], dtype=torch.float64)


def layer(
    gradient: torch.Tensor, sent: torch.Tensor | None = None, last: Sequence[Sequence[float]] | None = None
) -> LayerGradient:
    known = torch.ones_like(gradient, dtype=torch.bool) if sent is None else sent
    before = torch.zeros_like(gradient)
    after = before if last is None else torch.tensor(last, dtype=torch.float64)
    return LayerGradient(gradient * known, known, before, after, True, 10)


ONE_EMBEDDING = torch.outer(ERRORS, EMBEDDING)
"""The gradient's rows where all samples have one embedding."""


# --- counts ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_the_counts_are_exact_where_all_inputs_are_equal(labels: list[int]) -> None:
    found = label_counts(exposed(LINEAR, same_inputs(labels)))
    assert found.tolist() == torch.bincount(torch.tensor(labels), minlength=3).tolist()


@pytest.mark.parametrize("defence", ["none", "sparsify=0.3", "sparsify=0.9, noise=1e-2"])
@pytest.mark.parametrize("parts", [tiny_mlp(), WITHOUT_BIAS])
@pytest.mark.parametrize(
    "training", [LocalTraining(local_epochs=1, lr=0.01), LocalTraining(local_epochs=5, batch_size=4, lr=0.01)]
)
def test_the_counts_sum_to_the_samples(parts, defence: str, training: LocalTraining) -> None:
    for count in (1, 2, 30):
        found = label_counts(exposed(parts, samples(count), training, defence))
        assert int(found.sum()) == count
        assert int(found.min()) >= 0


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("parts", [tiny_mlp(), WITHOUT_BIAS])
def test_a_client_of_one_class_is_seen_through(parts, label: int) -> None:
    inputs, _ = samples(1, seed=label)
    assert label_counts(exposed(parts, (inputs, torch.tensor([label])))).argmax() == label


def test_a_bias_that_is_not_sent_is_read_off_the_weights() -> None:
    without_bias = torch.arange(15) < 12
    assert label_counts(exposed(LINEAR, same_inputs([0, 0, 0, 0]), sent=without_bias)).tolist() == [4, 0, 0]


# --- errors ---------------------------------------------------------------------------------------------------------


def test_noise_shows_in_the_columns_that_do_not_sum_to_zero() -> None:
    assert noise_variance(layer(ONE_EMBEDDING)) == pytest.approx(0, abs=1e-30)
    # Columns that sum to 0.3 and 0, six entries: 0.09 / 6.
    assert noise_variance(layer(torch.tensor([[0.1, 1.0], [0.1, -1.0], [0.1, 0.0]]).double())) == pytest.approx(0.015)


def test_a_column_sent_in_part_is_no_witness_of_noise() -> None:
    gradient = torch.tensor([[0.5, 1.0], [-0.5, -1.0], [0.0, 0.0]]).double()
    sent = torch.tensor([[True, True], [True, False], [True, False]])
    assert noise_variance(layer(gradient, sent)) == 0
    # With no other column the sum of what was sent, 1, of one entry.
    assert noise_variance(layer(gradient[:, 1:], sent[:, 1:])) == 1


def test_the_common_embedding_is_that_of_the_rows() -> None:
    assert torch.allclose(common_embedding(layer(ONE_EMBEDDING)), EMBEDDING)


def test_under_noise_the_embedding_of_rectified_features_keeps_its_sign() -> None:
    # The bias gradient, of wrong sign, is far smaller than the noise that the columns' sums of 0.9 betray.
    noisy = torch.tensor([[0.5, 0.5, -0.01], [0.4, 0.4, -0.01], [0.0, 0.0, 0.02]]).double()
    assert float(common_embedding(layer(noisy))[:2].min()) > 0
    # Without noise, the data decide.
    clean = torch.tensor([[0.5, 0.5, -0.1], [-0.5, -0.5, 0.1], [0.0, 0.0, 0.0]]).double()
    assert common_embedding(layer(clean)).tolist() == pytest.approx([-5, -5, 1])


def test_without_the_bias_its_length_is_that_of_a_typical_one() -> None:
    sent = torch.ones(3, 4, dtype=torch.bool)
    sent[:, 3] = False
    # Lengths 3 and sqrt(21) / 2; the bias's 1 stays.
    found = common_embedding(layer(ONE_EMBEDDING, sent), torch.tensor([2.0, 2.0, 1.0, 1.0]).double())
    assert torch.allclose(found[:3], EMBEDDING[:3] * 3 / (21**0.5 / 2))
    assert float(found[3]) == 1


def test_without_noise_the_errors_are_the_bias_gradient() -> None:
    gradient = ONE_EMBEDDING.clone()
    gradient[:, 0] += torch.tensor([0.3, -0.1, -0.2])
    found = confidence_errors(layer(gradient), EMBEDDING)
    assert torch.allclose(found.mean, ERRORS, atol=1e-6)


def test_an_error_that_was_not_sent_is_read_off_the_row() -> None:
    sent = torch.ones(3, 4, dtype=torch.bool)
    sent[1, 3] = False
    assert torch.allclose(confidence_errors(layer(ONE_EMBEDDING, sent), EMBEDDING).mean, ERRORS, atol=1e-6)


def test_with_noise_bias_and_weights_are_weighed_together() -> None:
    wide = torch.cat([torch.full((50,), 2.0), torch.ones(1)]).double()
    noise = torch.randn(3, 51, generator=torch.Generator().manual_seed(1)).double()
    noise[:, -1] = torch.tensor([0.3, -0.2, 0.2])
    found = confidence_errors(layer(torch.outer(ERRORS, wide) + 0.2 * noise), wide)
    of_bias = (0.2 * noise[:, -1]).norm()
    assert (found.mean - ERRORS).norm() < of_bias
    assert float(found.variance.max()) < 0.2**2


def test_only_an_error_clear_of_noise_proves_a_class() -> None:
    errors = Errors(torch.tensor([-0.5, -0.1, 0.6]), torch.full((3,), 0.01))
    assert errors.surely_present.tolist() == [True, False, False]


def test_samples_of_one_embedding_leave_a_gradient_of_rank_one() -> None:
    assert off_rank_one(layer(ONE_EMBEDDING)) == pytest.approx(0, abs=1e-12)
    # Energies 9 and 1.
    assert off_rank_one(layer(torch.tensor([[3.0, 0.0], [0.0, 1.0]]).double())) == pytest.approx(0.1)


# --- confidences ----------------------------------------------------------------------------------------------------


def test_the_classes_embeddings_are_the_rows_over_their_errors() -> None:
    found = class_embeddings(layer(ONE_EMBEDDING), ERRORS)
    assert torch.allclose(found, EMBEDDING.expand(3, 4), atol=1e-6)


def test_what_was_not_sent_does_not_bend_an_embedding() -> None:
    sent = torch.ones(3, 4, dtype=torch.bool)
    sent[2, 0] = sent[0, 1] = False
    found = class_embeddings(
        LayerGradient(ONE_EMBEDDING * sent, sent, *[torch.zeros(3, 4).double()] * 2, True, 10), ERRORS
    )
    assert torch.allclose(found, EMBEDDING.expand(3, 4), atol=1e-6)


def test_confidences_are_averaged_over_the_way() -> None:
    start = layer(ONE_EMBEDDING)
    assert torch.allclose(mean_confidences(start, EMBEDDING.expand(3, 4)), torch.full((3, 3), 1 / 3).double())
    # Logits (log 4, 0, 0) at the end, (log 2, 0, 0) halfway: (1/3 + 4 * 1/2 + 2/3) / 6.
    moved = layer(ONE_EMBEDDING, last=[[0, 0, 0, torch.log(torch.tensor(4.0)).item()], [0] * 4, [0] * 4])
    assert float(mean_confidences(moved, EMBEDDING.expand(3, 4))[0, 0]) == pytest.approx(0.5)


def test_shares_are_solved_from_confidences_and_errors() -> None:
    confidences = torch.tensor([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]).double()
    shares = torch.tensor([0.5, 0.2, 0.3]).double()
    assert torch.allclose(solved_shares(confidences, shares @ confidences - shares), shares)


def test_a_share_is_never_negative() -> None:
    uniform = torch.full((3, 3), 1 / 3).double()
    # 1/3 - (-0.1) would leave class 0 with a negative share.
    found = solved_shares(uniform, torch.tensor([0.43, -0.2, -0.23]).double())
    assert float(found[0]) == 0
    assert float(found.sum()) == pytest.approx(1, abs=0.01)
