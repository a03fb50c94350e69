from __future__ import annotations

import pytest
import torch

from stalefl.contracts import InputError
from stalefl.machine.devices import resolve_device


def test_cpu_and_auto() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "", "meta", "cuda:x", "cpu:7:7", "CPU"])
def test_unknown_names_are_errors_that_list_the_valid_ones(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}' is unknown; valid: auto, cpu, cuda, cuda:N, mps"):
        resolve_device(name)


def test_a_device_that_is_not_there_is_an_error() -> None:
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(InputError, match=f"'{missing}' is not there: .* CUDA devices"):
        resolve_device(missing)
    if not torch.backends.mps.is_available():
        with pytest.raises(InputError, match="'mps' is not there"):
            resolve_device("mps")
