from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from stalefl.seeds import named_generator, named_rng, named_seed

names = st.tuples(
    st.integers(0, 2**32), st.sampled_from(["partition", "local-training"]), st.integers(0, 99), st.integers(0, 99)
)


def test_seeds_never_change_between_versions() -> None:
    assert named_seed(0, "partition") == 4289677128199942764
    assert named_seed(1, "local-training", 20, 3) == 4500997581651462370


@given(names, names)
def test_different_names_give_different_seeds_of_63_bits(one: tuple, other: tuple) -> None:
    assert (named_seed(*one) == named_seed(*other)) == (one == other)
    assert 0 <= named_seed(*one) < 2**63


def test_round_and_client_are_not_run_together() -> None:
    assert named_seed(0, "local-training", 1, 23) != named_seed(0, "local-training", 12, 3)


def test_draws_repeat_and_leave_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    first, again = (torch.rand(3, generator=named_generator(7, "x", 1)) for _ in range(2))
    assert torch.equal(first, again)
    assert named_rng(7, "x", 1).random() == named_rng(7, "x", 1).random()
    assert torch.equal(torch.get_rng_state(), before)
