from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stalefl.inversion.shrinkage import Evidence
from stalefl.seeds import named_generator
from stalefl.storage import load_tree, save_tree

ONES = torch.ones(2)
FEATURES = torch.tensor([[1.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
TRUTH = torch.tensor([3.0, 2.0, 1.0])


def drawn(seed: int, arrivals: int) -> list[tuple[Tensor, Tensor]]:
    """Two features of ten entries and a truth of length one that is 0.7 and -0.2 of them, nearly."""
    found = []
    for arrival in range(arrivals):
        generator = named_generator(seed, "test-evidence", arrival)
        features = torch.randn(2, 10, generator=generator)
        truth = torch.tensor([0.7, -0.2]) @ features + 0.3 * torch.randn(10, generator=generator)
        found.append((features / truth.norm(), truth / truth.norm()))
    return found


def gathered(arrivals: list[tuple[Tensor, Tensor]], memory: float = 1.0) -> Evidence:
    evidence = Evidence.none(2)
    for round, (features, truth) in enumerate(arrivals, start=1):
        evidence = evidence.seen(features, truth, round, memory)
    return evidence


def test_normal_equations_of_one_arrival_in_units_of_the_truths_length() -> None:
    evidence = Evidence.none(2).seen(FEATURES, TRUTH, 7, 0.9)
    torch.testing.assert_close(evidence.gram, torch.tensor([[1.0, 1.0], [1.0, 5.0]]) / 14)
    torch.testing.assert_close(evidence.moment, torch.tensor([3.0, 7.0]) / 14)
    assert evidence.round == 7


def test_an_arrival_weighs_the_same_whatever_its_length() -> None:
    plain, longer = (Evidence.none(2).seen(s * FEATURES, s * TRUTH, 1, 0.9) for s in (1, 100))
    torch.testing.assert_close(longer.gram, plain.gram)
    torch.testing.assert_close(longer.moment, plain.moment)


def test_older_evidence_weighs_less_by_the_memory_of_every_round() -> None:
    once = Evidence.none(2).seen(FEATURES, TRUTH, 7, 0.5)
    twice = once.seen(FEATURES, TRUTH, 10, 0.5)
    torch.testing.assert_close(twice.gram, (1 + 0.5**3) * once.gram)
    torch.testing.assert_close(once.aged(9, 0.5).moment, 0.25 * once.moment)
    assert (twice.round, once.aged(9, 0.5).round) == (10, 9)


def test_a_true_update_of_zero_says_nothing() -> None:
    evidence = gathered(drawn(0, 1))
    assert evidence.seen(FEATURES, torch.zeros(3), 5, 0.9) is evidence


def test_without_evidence_the_coefficients_are_the_prior() -> None:
    prior = torch.tensor([1.0, 0.25])
    assert torch.equal(Evidence.none(2).coefficients(prior, torch.tensor([2.0, 0.5])), prior)


@given(st.integers(0, 1000))
def test_with_much_evidence_they_are_least_squares(seed: int) -> None:
    arrivals = drawn(seed, 5)
    design = torch.cat([features.T for features, _ in arrivals])
    expected = torch.linalg.lstsq(design, torch.cat([truth for _, truth in arrivals])).solution
    found = gathered(arrivals).coefficients(ONES, torch.full((2,), 1e-6))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_they_minimise_the_errors_plus_the_shrinkage(seed: int, strength: float) -> None:
    """Ridge regression towards the prior, as least squares with one more equation for every coefficient."""
    arrivals, prior = drawn(seed, 2), torch.tensor([1.0, 0.5])
    design = torch.cat([*[features.T for features, _ in arrivals], strength**0.5 * torch.eye(2)])
    outcome = torch.cat([*[truth for _, truth in arrivals], strength**0.5 * prior])
    found = gathered(arrivals).coefficients(prior, torch.full((2,), strength))
    torch.testing.assert_close(found, torch.linalg.lstsq(design, outcome).solution, rtol=1e-3, atol=1e-4)


def test_a_strong_prior_holds_one_coefficient_and_leaves_the_other_free() -> None:
    found = gathered([(FEATURES, TRUTH)]).coefficients(ONES, torch.tensor([1e6, 1e-6]))
    assert found.tolist() == pytest.approx([1.0, 6 / 5], abs=1e-4)  # the best beta of [2, 2, 1] on [1, 2, 0]


def test_it_comes_back_from_a_checkpoint(tmp_path) -> None:
    evidence = gathered(drawn(0, 3), 0.9)
    save_tree(tmp_path / "tree", list(evidence))
    back = Evidence(*load_tree(tmp_path / "tree"))
    assert torch.equal(back.gram, evidence.gram)
    assert torch.equal(back.moment, evidence.moment)
    assert back.round == 3
