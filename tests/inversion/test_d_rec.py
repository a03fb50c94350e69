from __future__ import annotations

import pytest
import torch

from stalefl.contracts import InputSpec
from stalefl.inversion.d_rec import SMALLEST, DRec, LabelKind, d_rec_size, labels_of, random_data
from stalefl.seeds import named_generator
from tests.fixtures import SPEC

CPU = torch.device("cpu")


def start(seed: int = 0, spec: InputSpec = SPEC, size: int = 8) -> DRec:
    return random_data(spec, size, named_generator(seed, "inversion"), CPU)


@pytest.mark.parametrize(
    ("samples", "size"),
    [(1, SMALLEST), (8 * SMALLEST, SMALLEST), (400, 50), (404, 50), (405, 51), (512, 64), (60_000, 64)],
)
def test_an_eighth_of_the_clients_samples_within_limits(samples: int, size: int) -> None:
    assert d_rec_size(samples) == size


def test_inputs_start_close_to_zero_and_labels_undecided() -> None:
    data = start(size=500)
    assert (data.inputs.shape, data.label_logits.shape, len(data)) == ((500, 4), (500, 3), 500)
    assert data.inputs.mean().abs() < 0.02
    assert 0.09 < data.inputs.std() < 0.11
    assert (data.labels - 1 / 3).abs().max() < 0.15


def test_inputs_start_within_the_value_range_per_channel() -> None:
    data = start(spec=InputSpec((2, 3, 3), 4, ((0.0, 0.05), (1.0, 0.06))), size=50)
    first, second = data.inputs[:, 0], data.inputs[:, 1]
    assert first.min() == 0
    assert 0.1 < first.max() <= 1
    assert second.min() == pytest.approx(0.05)
    assert second.max() == pytest.approx(0.06)


def test_the_generator_alone_decides_the_start() -> None:
    torch.manual_seed(1)
    first = start()
    torch.manual_seed(2)
    assert torch.equal(start().inputs, first.inputs)
    assert torch.equal(start().label_logits, first.label_logits)
    assert not torch.equal(start(seed=1).inputs, first.inputs)


LOGITS = torch.tensor([[0.0, 2.0, 1.0], [0.3, 0.1, 0.2]])


def test_soft_labels_are_probabilities() -> None:
    labels = labels_of(LOGITS, "soft")
    assert torch.equal(labels, LOGITS.softmax(dim=1))
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(2))


def test_hard_labels_are_one_class_each_to_the_bit() -> None:
    assert labels_of(LOGITS, "hard").tolist() == [[0, 1, 0], [1, 0, 0]]


def test_free_labels_are_the_numbers_themselves() -> None:
    assert labels_of(LOGITS, "free") is LOGITS


def gradient(kind: LabelKind) -> torch.Tensor:
    logits = LOGITS.clone().requires_grad_()
    (labels_of(logits, kind) * torch.tensor([1.0, 5.0, -2.0])).sum().backward()
    assert logits.grad is not None
    return logits.grad


def test_the_gradient_of_hard_labels_is_that_of_soft_ones() -> None:
    torch.testing.assert_close(gradient("hard"), gradient("soft"))
    assert gradient("soft").abs().max() > 0.1
    assert gradient("free").tolist() == [[1, 5, -2]] * 2


def test_data_know_the_kind_of_their_labels() -> None:
    inputs = torch.zeros(2, 4)
    assert DRec(inputs, LOGITS, "hard").labels.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert torch.equal(DRec(inputs, LOGITS).labels, LOGITS.softmax(dim=1))
