from __future__ import annotations

import torch
from torch import Tensor

from stalefl.inversion.sketch import SIZE, sketch
from stalefl.seeds import named_generator


def update(seed: int, size: int = 50_000) -> Tensor:
    return torch.randn(size, generator=named_generator(seed, "test-sketch"))


def test_an_update_of_up_to_8192_entries_is_its_own_sketch() -> None:
    assert torch.equal(sketch(update(0, SIZE)), update(0, SIZE))
    assert sketch(update(0, SIZE + 1)).shape == (SIZE,)
    assert not torch.equal(sketch(update(0, SIZE + 1)), update(0, SIZE + 1)[:SIZE])


def test_a_single_entry_keeps_its_magnitude_in_one_place() -> None:
    delta = torch.zeros(50_000)
    delta[33_333] = -2.5
    places = sketch(delta)
    assert places.count_nonzero() == 1
    assert places.abs().max() == 2.5


def test_sketches_are_linear() -> None:
    one, other = update(0), update(1)
    torch.testing.assert_close(sketch(3 * one - other), 3 * sketch(one) - sketch(other), rtol=0, atol=1e-4)


def test_inner_products_are_kept_to_a_few_hundredths_of_the_lengths() -> None:
    deltas = [update(0), update(1), 0.6 * update(0) + 0.8 * update(1)]
    for one in deltas:
        for other in deltas:
            error = sketch(one) @ sketch(other) - one @ other
            assert error.abs() < 0.05 * one.norm() * other.norm()


def test_they_do_not_depend_on_global_random_state() -> None:
    torch.manual_seed(1)
    first, before = sketch(update(0, 20_001)), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(sketch(update(0, 20_001)), first)
    torch.manual_seed(1)
    sketch(update(0, 20_002))
    assert torch.equal(torch.get_rng_state(), before)
