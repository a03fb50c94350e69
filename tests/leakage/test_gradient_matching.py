from __future__ import annotations

from dataclasses import replace

import pytest

from stalefl.leakage.gradient_matching import MatchingOptions, match_gradient
from tests.builtins.attacks.exposures import exposure
from tests.fixtures import SPEC

QUICK = MatchingOptions(iterations=350)


def matched(options: MatchingOptions = QUICK, **of: object):
    return match_gradient(exposure(**of), options, None, lambda share: None)  # type: ignore[arg-type]


def test_the_total_variation_fades() -> None:
    assert MatchingOptions(tv=1.0, stages=3).weights(SPEC) == pytest.approx([1.0, 0.1, 0.01])
    assert MatchingOptions(tv=0.0, stages=3).weights(SPEC) == [0.0]


def test_the_numbers_of_a_words_vector_are_not_smoothed() -> None:
    assert MatchingOptions(tv=1.0, stages=3).weights(replace(SPEC, space="embedding")) == [0.0]


def test_the_search_stops_at_what_rounding_leaves() -> None:
    leak = matched(MatchingOptions())
    assert leak.iterations < 700
    assert leak.loss < 1e-11


def test_more_iterations_lower_the_loss() -> None:
    losses = [matched(MatchingOptions(iterations=n, tv=0.0)).loss for n in (2, 10, 50)]
    assert losses == sorted(losses, reverse=True)
    assert losses[2] < 0.01 * losses[0]


def test_a_stage_that_finds_nothing_more_is_the_last_and_not_taken() -> None:
    noisy, exact = (matched(defence=defence) for defence in ("noise=1e-3", "none"))
    bare = matched(MatchingOptions(iterations=350, tv=0.0), defence="noise=1e-3")
    assert noisy.iterations <= 150 < exact.iterations
    assert noisy.loss > bare.loss


def test_without_a_box_inputs_still_end_within_the_range() -> None:
    leak = matched(MatchingOptions(iterations=20, tv=0.0, start_noise=2.0, box=False))
    assert leak.inputs is not None
    assert -1.0 <= leak.inputs.min() <= leak.inputs.max() <= 2.0
