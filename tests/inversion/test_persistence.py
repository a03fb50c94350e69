from __future__ import annotations

import pytest
import torch

from stalefl.inversion.persistence import persisting_share


def test_the_persisting_share_is_between_none_and_all() -> None:
    explained = torch.tensor([3.0, 4.0])
    assert persisting_share(explained, torch.tensor([1.5, 2.0])) == pytest.approx(0.5)
    assert persisting_share(explained, torch.tensor([4.0, -3.0])) == 0
    assert persisting_share(explained, -explained) == 0
    assert persisting_share(explained, 2 * explained) == 1
    assert persisting_share(torch.zeros(2), explained) == 1
