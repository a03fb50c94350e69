from __future__ import annotations

import pytest
import torch

from stalefl.audit.measure.tokens import token_accuracy, token_recall
from stalefl.training.embedding import nearest_tokens, texts

TABLE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])


def test_the_nearest_row_is_found() -> None:
    embedded = torch.tensor([[[0.4, 0.0], [0.6, 0.0]], [[0.0, 1.4], [0.0, 1.6]]])
    assert nearest_tokens(embedded, TABLE).tolist() == [[0, 1], [0, 2]]


def test_accuracy_is_the_share_of_a_samples_places() -> None:
    true = TABLE[torch.tensor([[1, 1], [2, 2]])]
    recovered = true.clone()
    recovered[1, 0] = torch.tensor([0.9, 0.1])
    assert token_accuracy(recovered, true, TABLE).tolist() == [1.0, 0.5]


def test_padding_is_nothing_to_recover() -> None:
    true = TABLE[torch.tensor([[1, 2, 0, 0], [0, 0, 0, 0]])]
    blank = torch.zeros(2, 4, 2)
    for measure in (token_accuracy, token_recall):
        assert float(measure(blank, true, TABLE)[0]) == 0
        assert bool(measure(blank, true, TABLE)[1].isnan()), "a text without a token has none to recover"


def test_recall_finds_a_token_at_another_place_as_often_as_it_is_there() -> None:
    true, recovered = TABLE[torch.tensor([[1, 2, 2, 0]])], TABLE[torch.tensor([[2, 0, 1, 1]])]
    assert token_accuracy(recovered, true, TABLE).tolist() == [0.0]
    assert token_recall(recovered, true, TABLE).tolist() == pytest.approx([2 / 3])


def test_vectors_are_read_as_words() -> None:
    vectors = torch.tensor([[[0.0, 2.9], [0.1, 0.0], [1.1, 0.0]]])
    assert texts(vectors, TABLE, ("<pad>", "who", "why")) == ["why who"]
