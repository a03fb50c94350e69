from __future__ import annotations

import pytest

from stalefl.contracts import InputError
from stalefl.data.memory import check_memory


def test_what_fits_is_let_pass_and_what_does_not_is_refused() -> None:
    check_memory(1, "x", "valid: less")
    with pytest.raises(InputError, match=r"^x: 1024.0 GiB, \d+.\d GiB of memory are free; valid: less$"):
        check_memory(2**40, "x", "valid: less")
