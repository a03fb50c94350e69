from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stalefl.audit.measure.matching import match_samples, squared_errors
from stalefl.seeds import named_generator


def test_errors_are_sums_of_squared_differences() -> None:
    recovered = torch.tensor([[1.0, 2.0], [0.0, 0.0]]).view(2, 1, 2)
    true = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 0.0]]).view(3, 1, 2)
    assert squared_errors(recovered, true).numpy() == pytest.approx(
        torch.tensor([[4.0, 8.0, 5.0], [1.0, 25.0, 0.0]]).numpy(), abs=1e-12
    )


def test_the_least_total_counts_not_the_nearest_first() -> None:
    # Greedily, 0 would take its nearest, 0, and leave 1 an error of 9.
    errors = torch.tensor([[0.0, 1.0], [1.0, 9.0]])
    pairs = match_samples(errors)
    assert pairs.recovered.tolist() == [0, 1]
    assert pairs.true.tolist() == [1, 0]


@pytest.mark.parametrize("shape", [(2, 3), (3, 2)])
def test_of_unequal_numbers_the_best_are_matched_once_each(shape: tuple[int, int]) -> None:
    errors = torch.full((3, 3), 5.0)
    errors[0, 1] = errors[1, 0] = 0.0
    pairs = match_samples(errors[: shape[0], : shape[1]])
    assert set(zip(pairs.recovered.tolist(), pairs.true.tolist(), strict=True)) == {(0, 1), (1, 0)}


@given(st.integers(1, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(recovered: int, true: int, random) -> None:
    generator = named_generator(0, "matching", recovered, true)
    a = torch.randn(recovered, 2, 3, generator=generator)
    b = torch.randn(true, 2, 3, generator=generator)
    order = random.sample(range(recovered), recovered)
    plain, shuffled = match_samples(squared_errors(a, b)), match_samples(squared_errors(a[order], b))
    of_shuffled = {(order[i], j) for i, j in zip(shuffled.recovered.tolist(), shuffled.true.tolist(), strict=True)}
    assert of_shuffled == set(zip(plain.recovered.tolist(), plain.true.tolist(), strict=True))


def test_a_permutation_of_many_images_is_found_with_no_error() -> None:
    true = torch.rand(300, 3, 16, 16, generator=named_generator(0, "images"))
    order = torch.randperm(300, generator=named_generator(0, "order"))
    errors = squared_errors(true[order], true)
    pairs = match_samples(errors)
    assert torch.equal(pairs.true, order)
    assert float(errors[pairs].max()) < 1e-9
