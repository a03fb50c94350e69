from __future__ import annotations

import torch

from stalefl.seeds import named_generator
from stalefl.training.dropout import SeededDropout, dropout_draws_from

ONES = torch.ones(1000)


def masked(seed: int, p: float = 0.25) -> torch.Tensor:
    with dropout_draws_from(named_generator(seed, "dropout")):
        return SeededDropout(p)(ONES)


def test_zeroes_a_share_of_p_and_scales_the_rest() -> None:
    values = masked(0)
    assert set(values.tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert 200 < (values == 0).sum() < 300


def test_the_generator_alone_decides() -> None:
    torch.manual_seed(1)
    first = masked(0)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(masked(0), first)
    assert not torch.equal(masked(1), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_passes_its_input_on_without_a_generator_in_evaluation_and_with_p_0() -> None:
    with dropout_draws_from(None):
        assert torch.equal(SeededDropout(0.5)(ONES), ONES)
    with dropout_draws_from(named_generator(0, "dropout")):
        assert torch.equal(SeededDropout(0.5).eval()(ONES), ONES)
        assert torch.equal(SeededDropout(0.0)(ONES), ONES)


def test_the_generator_is_forgotten_outside() -> None:
    masked(0)
    assert torch.equal(SeededDropout(0.5)(ONES), ONES)
