"""Where samples come from: files below the data folder, downloads, a test part split off."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stalefl.contracts import InputError
from stalefl.seeds import named_rng


def find_source(source: str, data_dir: Path) -> Path | None:
    """A path as given or, if relative, in the data folder; None if it is in neither."""
    if not source:
        return None
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # names that are too long, or no names at all
        return next((path for path in (Path(source).expanduser(), data_dir / source) if path.exists()), None)
    return None


def split_off_test(targets: Tensor, fraction: float, name: str) -> tuple[Tensor, Tensor]:
    """Positions of the training and the test part, each class divided alike; always the same for the same targets.

    Of a class of two or more samples either part gets one at least; a single one is for training. Raises InputError if
    nothing is left to test on.
    """
    rng = named_rng(0, "test-split")
    test = []
    for label in torch.unique(targets).tolist():
        own = rng.permutation(torch.nonzero(targets == label).flatten().numpy())
        test.append(own[: min(max(int(len(own) * fraction + 0.5), 1), len(own) - 1)])
    in_test = torch.zeros(len(targets), dtype=torch.bool)
    in_test[torch.from_numpy(np.concatenate(test))] = True
    if not in_test.any():
        raise InputError(f"{name}: no class has two samples, one for training and one for testing")
    return torch.nonzero(~in_test).flatten(), torch.nonzero(in_test).flatten()


@contextlib.contextmanager
def downloading(name: str, place: Path | str) -> Iterator[None]:
    """Announce a download on stderr, keep stdout clean, and turn its failures into InputErrors."""
    print(f"downloading {name} to {place}", file=sys.stderr)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (OSError, RuntimeError) as error:
        raise InputError(f"cannot download {name} to {place}: {error}") from error
