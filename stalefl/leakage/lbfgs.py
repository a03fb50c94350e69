"""L-BFGS-B (Byrd, Lu, Nocedal, Zhu, SIAM J. Sci. Comput. 1995) of SciPy, on a function of PyTorch tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize as scipy_minimize
from torch import Tensor

MOST_EVALUATIONS = 2
"""Evaluations per iteration at most, over the whole search; a line search seldom needs a second."""


class Minimum(NamedTuple):
    """The best point [n] seen, and the iterations made."""

    point: Tensor
    iterations: int


def minimise(
    objective: Callable[[Tensor], Tensor],
    start: Tensor,
    bounds: Sequence[tuple[float | None, float | None]],
    *,
    iterations: int,
    history: int,
    enough: Callable[[], bool] = lambda: False,
    on_iteration: Callable[[int], None] = lambda iteration: None,
) -> Minimum:
    """Minimise ``objective`` (points [n] to a scalar) from ``start`` [n] within ``bounds``, one pair per variable.

    ``history`` is the number of steps that make up the curvature; ``enough`` may end the search after any iteration.
    Where the objective is not finite the search ends at the best point before.
    """
    best, best_value, done = start.detach(), math.inf, 0

    def evaluate(values: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best, best_value
        point = torch.from_numpy(values.copy()).to(start).requires_grad_()
        value = objective(point)
        (gradient,) = torch.autograd.grad(value, point)
        if value.item() < best_value:
            best, best_value = point.detach(), value.item()
        return value.item(), gradient.double().cpu().numpy()

    def after_iteration(_: np.ndarray) -> None:
        nonlocal done
        done += 1
        on_iteration(done)
        if enough():
            raise StopIteration

    options = {
        "maxiter": iterations,
        "maxfun": MOST_EVALUATIONS * iterations,
        "maxcor": history,
        "maxls": 30,
        "ftol": 0,
        "gtol": 0,
    }
    scipy_minimize(
        evaluate,
        start.detach().double().cpu().numpy(),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        callback=after_iteration,
        options=options,
    )
    return Minimum(best, done)
