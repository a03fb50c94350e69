from __future__ import annotations

import pytest
import torch
from torch import nn

from stalefl.builtins.attacks.llg import noise_impact, shared_impact, subtracted_counts
from stalefl.leakage.last_layer import LayerGradient
from stalefl.registry import load_registry
from tests.fixtures import model_of, samples, tiny_mlp
from tests.leakage.exposures import exposed, same_inputs

ZERO = torch.zeros(3)


def attacked(exposure, impact: str = "shared") -> list[int]:
    attack = load_registry().create("attack", "llg", {"impact": impact})
    return attack.attack(exposure, lambda share: None).labels.sum(dim=0).int().tolist()


def test_the_impact_of_one_sample_is_a_share_of_the_negative_rows() -> None:
    # (-1.2 - 0.3) / 5 samples * (1 + 1/3).
    assert shared_impact(torch.tensor([-1.2, 1.5, -0.3]), 5) == pytest.approx(-0.4)


def test_samples_are_subtracted_one_by_one_from_the_lowest_row() -> None:
    # One each to rows 0 and 2: -0.8, 1.5, 0.1; then to row 0: -0.4, 0.0, 0.4 left; the fifth to row 2's 0.1.
    sums = torch.tensor([-1.2, 1.5, -0.3])
    assert subtracted_counts(sums, -0.4, ZERO, 4).tolist() == [3, 0, 1]
    assert subtracted_counts(sums, -0.4, ZERO, 5).tolist() == [4, 0, 1]


def test_more_negative_rows_than_samples_leave_the_lowest() -> None:
    assert subtracted_counts(torch.tensor([-0.2, -0.3, 0.5]), -0.1, ZERO, 1).tolist() == [0, 1, 0]


def test_without_a_negative_row_the_samples_are_spread() -> None:
    assert subtracted_counts(ZERO, 0.0, ZERO, 7).tolist() == [3, 2, 2]


def test_the_offset_is_what_a_row_has_without_samples() -> None:
    sums, offset = torch.tensor([0.0, 0.3, 0.3]), torch.tensor([0.5, 0.3, 0.3])
    assert subtracted_counts(sums, -0.25, offset, 2).tolist() == [2, 0, 0]


def test_impact_and_offset_of_noise() -> None:
    embeddings = torch.tensor([[1.0, 2.0, 1.0]]).double()
    zeros = torch.zeros(3, 3).double()
    layer = LayerGradient(zeros, zeros.bool(), zeros, zeros, True, samples=4)
    impact, offset = noise_impact(embeddings, layer)
    # An embedding of sum 3 and confidences of 1/3: (1/3 - 1) * 3 / 4 samples * 4/3, and 1/3 * 3.
    assert impact == pytest.approx(-2 / 3)
    assert torch.allclose(offset, torch.ones(3).double())


@pytest.mark.parametrize("impact", ["shared", "noise"])
def test_counts_sum_to_the_samples(impact: str) -> None:
    for count in (1, 5, 50):
        assert sum(attacked(exposed(tiny_mlp(), samples(count)), impact)) == count


@pytest.mark.parametrize("label", [0, 1, 2])
def test_one_sample_is_told_exactly(label: int) -> None:
    assert attacked(exposed(model_of(nn.Linear(4, 3)), same_inputs([label]))).index(1) == label


def test_it_is_unfit_where_there_is_no_such_layer() -> None:
    parts = model_of(nn.Unflatten(1, (4, 1)), nn.Conv1d(4, 3, 1), nn.Flatten())
    attack = load_registry().create("attack", "llg")
    assert attack.unfit(exposed(parts, samples(4))) == "the model has no linear layer with one output per class"
