from __future__ import annotations

import numpy as np
import pytest
import torch

from stalefl.contracts import InputError
from stalefl.data import federated
from stalefl.data.federated import FederatedData
from stalefl.data.partition import Partition
from tests.data.samples import tiny_dataset

PARTITION = Partition((np.array([0, 4]), np.array([1, 2, 7])))


@pytest.fixture(params=["kept", "converted anew"])
def data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FederatedData:
    if request.param == "converted anew":
        monkeypatch.setattr(federated, "CACHE_LIMIT_BYTES", 0)
    return FederatedData(tiny_dataset(), PARTITION)


def test_a_client_holds_its_samples_in_every_round(data: FederatedData) -> None:
    assert data.clients == 2
    assert [data.samples(client) for client in range(2)] == [2, 3]
    for round in (1, 2):
        inputs, targets = data.client_data(1, round)
        assert inputs.dtype == torch.float32
        assert inputs.shape == (3, 1, 2, 2)
        assert inputs[:, 0, 0, 0].tolist() == [10, 20, 70]
        assert targets.dtype == torch.int64
        assert targets.tolist() == [1, 2, 3]


def test_the_test_split_gives_the_same_inputs(data: FederatedData) -> None:
    expected = tiny_dataset().test.take([3, 5])
    for found, wanted in zip(data.test.take([3, 5]), expected, strict=True):
        assert torch.equal(found, wanted)
    assert len(data.test) == 40


def test_small_data_are_converted_once() -> None:
    data = FederatedData(tiny_dataset(), PARTITION)
    assert data.client_data(0, 1)[0] is data.client_data(0, 2)[0]
    assert data.test is data.test


def test_large_data_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated, "CACHE_LIMIT_BYTES", 5 * 4 * 4 - 1)
    data = FederatedData(tiny_dataset(), PARTITION)
    assert data.client_data(0, 1)[0] is not data.client_data(0, 2)[0]
    assert data.test.raw.dtype == torch.uint8


def test_a_partition_of_other_data_is_refused() -> None:
    with pytest.raises(InputError, match="names sample 7; tiny has only 7 training samples"):
        FederatedData(tiny_dataset(7), PARTITION)
