from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stalefl.audit.defences import Defence
from stalefl.contracts import InputError
from stalefl.seeds import named_generator

DELTA = torch.tensor([3.0, -1.0, 0.5, -4.0])


def sent(text: str, delta: torch.Tensor = DELTA, reach: float = 1.0):
    return Defence.parse(text).apply(delta, reach, named_generator(0, "defence"))


def test_no_defence_sends_the_update_as_it_is() -> None:
    found = sent("none")
    assert torch.equal(found.delta, DELTA)
    assert found.mask is None


def test_sparsification_sends_the_largest_entries_and_says_which() -> None:
    found = sent("sparsify=0.5")
    assert found.delta.tolist() == [3.0, 0.0, 0.0, -4.0]
    assert found.mask is not None
    assert found.mask.tolist() == [True, False, False, True]


def test_clipping_scales_a_longer_update_down_and_leaves_a_shorter_one() -> None:
    assert sent("clip=2.5", torch.tensor([3.0, -4.0])).delta.tolist() == [1.5, -2.0]
    assert sent("clip=6", torch.tensor([3.0, -4.0])).delta.tolist() == [3.0, -4.0]
    assert sent("clip=6", torch.zeros(2)).delta.tolist() == [0.0, 0.0]


def test_noise_has_its_variance_in_the_scale_of_the_gradient() -> None:
    zero = torch.zeros(20_000)
    assert float(sent("noise=0.04", zero, reach=0.5).delta.std()) == pytest.approx(0.2 * 0.5, rel=0.03)
    assert float(sent("clip=3, gaussian=0.5", zero).delta.std()) == pytest.approx(0.5 * 3, rel=0.03)
    assert torch.equal(sent("noise=0").delta, DELTA)


def test_steps_are_taken_in_their_order() -> None:
    noise_last, noise_first = sent("sparsify=0.5, noise=1"), sent("noise=1, sparsify=0.5")
    assert noise_last.delta[[1, 2]].tolist() == [0.0, 0.0]
    assert noise_last.mask is not None
    assert noise_last.mask.tolist() == [True, False, False, True]
    noisy = sent("noise=1").delta
    assert noise_first.mask is not None
    assert torch.equal(noise_first.delta, torch.where(noise_first.mask, noisy, 0.0))


@pytest.mark.parametrize(
    ("text", "multiplier"),
    [
        ("none", None),
        ("clip=1", None),
        ("noise=1", None),
        ("clip=2, gaussian=0.5", 0.5),
        ("clip=2, gaussian=0.5, sparsify=0.9", 0.5),
        # Which entries are the largest is itself told by the data, and no noise hides it.
        ("sparsify=0.9, clip=2, gaussian=0.5", None),
    ],
)
def test_only_a_mechanism_on_all_entries_has_a_guarantee(text: str, multiplier: float | None) -> None:
    assert Defence.parse(text).noise_multiplier == multiplier


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("sparsify"), st.floats(0, 0.99)),
            st.tuples(st.just("noise"), st.floats(0, 10)),
            st.tuples(st.just("clip"), st.floats(0.1, 10)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_defence_written_down_is_read_back(steps: list[tuple[str, float]]) -> None:
    defence = Defence.parse(",".join(f"{kind}={value:g}" for kind, value in steps))
    assert Defence.parse(str(defence)) == defence


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sparsify=1", '"sparsify=1" is not valid'),
        ("sparsify", '"sparsify" is not valid'),
        ("sparsify=0.9,,noise=1", '"" is not valid'),
        ("noise=-1", '"noise=-1" is not valid'),
        ("noise=nan", '"noise=nan" is not valid'),
        ("noise=inf", '"noise=inf" is not valid'),
        ("clip=0", '"clip=0" is not valid'),
        ("blur=1", '"blur=1" is not valid'),
        ("", '"" is not valid'),
        ("gaussian=1, clip=1", "needs a clip=NORM before it"),
    ],
)
def test_what_is_no_defence_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as error:
        Defence.parse(text)
    assert "\n" not in str(error.value)
