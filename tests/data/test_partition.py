from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stalefl.config.schema import PartitionTable, StalenessTable
from stalefl.contracts import InputError
from stalefl.data.partition import Partition, choose_late_clients, class_counts, draw_partition

KINDS = [
    {"kind": "dirichlet", "sizes": "equal"},
    {"kind": "dirichlet", "sizes": "natural"},
    {"kind": "iid"},
    {"kind": "shards", "shards_per_client": 2},
    {"kind": "one-class"},
]
LABELS = np.arange(600) % 10


def draw(labels: np.ndarray = LABELS, classes: int = 10, seed: int = 0, **spec: object) -> Partition:
    return draw_partition(labels, classes, PartitionTable(**spec), np.random.default_rng(seed))  # type: ignore[arg-type]


def counts_of(**spec: object) -> np.ndarray:
    return class_counts(draw(**spec), LABELS, 10)


# --- all kinds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
@settings(max_examples=25)
@given(
    clients=st.integers(1, 30),
    alpha=st.sampled_from([1e-9, 0.01, 0.1, 1.0, 1000.0]),
    seed=st.integers(0, 10**6),
    labels=st.lists(st.integers(0, 4), min_size=60, max_size=200),
)
def test_clients_hold_sorted_disjoint_samples_and_nobody_is_empty(
    kind: dict, clients: int, alpha: float, seed: int, labels: list[int]
) -> None:
    labels = [*labels, *[0, 1, 2, 3, 4] * 6]  # every class has enough for its clients
    partition = draw(np.array(labels), 5, seed, clients=clients, alpha=alpha, **kind)
    assert partition.clients == clients
    assert min(partition.sizes) >= 1
    for own in partition.indices:
        assert own.dtype == np.int64
        assert (np.diff(own) > 0).all()
    together = np.concatenate(partition.indices)
    assert len(np.unique(together)) == len(together)
    assert 0 <= together.min() <= together.max() < len(labels)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
def test_the_generator_decides(kind: dict) -> None:
    first, again, other = (draw(seed=seed, clients=20, **kind) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first.indices, again.indices, strict=True))
    assert any(a.tolist() != b.tolist() for a, b in zip(first.indices, other.indices, strict=True))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.get("sizes") != "natural"])
def test_samples_per_client_is_what_each_client_gets(kind: dict) -> None:
    assert draw(clients=20, samples_per_client=7, **kind).sizes == (7,) * 20


def test_samples_per_client_caps_natural_sizes() -> None:
    whole = draw(clients=20, sizes="natural", kind="dirichlet")
    capped = draw(clients=20, sizes="natural", kind="dirichlet", samples_per_client=10)
    assert max(whole.sizes) > 10
    assert capped.sizes == tuple(min(size, 10) for size in whole.sizes)


# --- each kind ------------------------------------------------------------------------------------------------------


def test_equal_sizes_divide_all_that_can_be_divided() -> None:
    assert draw(kind="dirichlet", clients=7).sizes == (85,) * 7


def test_the_smaller_alpha_the_fewer_classes_a_client_holds() -> None:
    def most_held_class(alpha: float) -> float:
        counts = counts_of(kind="dirichlet", clients=20, alpha=alpha, samples_per_client=20)
        return float(counts.max(axis=1).mean())

    shares = [most_held_class(alpha) for alpha in (0.001, 0.1, 1.0, 1000.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 18
    assert shares[-1] < 7


def test_a_client_fills_up_from_other_classes_when_its_own_runs_out() -> None:
    labels = np.repeat([0, 1], [3, 97])
    sizes = draw(labels, 2, kind="dirichlet", alpha=1e-9, clients=10).sizes
    assert sizes == (10,) * 10


def test_class_mixes_do_not_depend_on_the_place_of_a_client() -> None:
    """Served in order, the last clients would always get what is left."""
    first_half = [
        class_counts(draw(seed=seed, kind="dirichlet", clients=20), LABELS, 10)[:10, 5].sum() for seed in range(60)
    ]
    assert 25 < np.mean(first_half) < 35


def test_natural_sizes_divide_all_samples_unevenly() -> None:
    sizes = draw(kind="dirichlet", sizes="natural", clients=20).sizes
    assert sum(sizes) == 600
    assert max(sizes) > 3 * min(sizes)


def test_as_many_clients_as_samples_get_one_each() -> None:
    assert draw(kind="dirichlet", sizes="natural", clients=600).sizes == (1,) * 600


def test_iid_sizes_differ_by_one_at_most() -> None:
    assert sorted(draw(kind="iid", clients=7).sizes) == [85, 85, 86, 86, 86, 86, 86]


def test_a_client_of_two_shards_holds_two_or_fewer_classes() -> None:
    counts = counts_of(kind="shards", clients=30, shards_per_client=2)
    assert ((counts > 0).sum(axis=1) <= 2).all()
    assert (counts.sum(axis=1) == 20).all()


def test_one_class_deals_classes_out_evenly() -> None:
    counts = counts_of(kind="one-class", clients=20)
    expected = np.zeros((20, 10), dtype=int)
    expected[np.arange(20), np.arange(20) % 10] = 30
    assert (counts == expected).all()


def test_one_class_with_fewer_clients_than_classes_leaves_the_last_classes() -> None:
    assert counts_of(kind="one-class", clients=3).sum(axis=0).tolist() == [60, 60, 60, 0, 0, 0, 0, 0, 0, 0]


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"kind": "iid", "clients": 601},
            "partition.clients is 601, but the data set has only 600 samples; valid: up to 600",
        ),
        ({"kind": "dirichlet", "sizes": "natural", "clients": 601}, "only 600 samples"),
        ({"kind": "dirichlet", "clients": 10, "samples_per_client": 61}, "10 clients need 610 samples"),
        ({"kind": "one-class", "clients": 10, "samples_per_client": 61}, "10 clients need 610 samples"),
        ({"kind": "one-class", "clients": 11, "samples_per_client": 50}, "only 30 samples fall to client 0"),
        ({"kind": "shards", "clients": 300, "shards_per_client": 3}, "900 shards are needed"),
        ({"kind": "dirichlet", "clients": 10, "alpha": 1e308}, "partition.alpha is 1e+308"),
    ],
)
def test_what_the_samples_do_not_suffice_for_is_refused(spec: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        draw(**spec)
    assert said in str(error.value)


def test_one_class_needs_a_sample_for_each_client_of_a_class() -> None:
    with pytest.raises(InputError, match="2 clients would share the 1 samples of class 1"):
        draw(np.array([0, 0, 0, 0, 1]), 2, kind="one-class", clients=4)


# --- late clients ---------------------------------------------------------------------------------------------------

COUNTS = np.array([[9, 0], [1, 5], [0, 8], [4, 5], [7, 0]])


def late(**spec: object) -> tuple[int, ...]:
    table = StalenessTable(**{"affected_class": 1, **spec})  # type: ignore[arg-type]
    return choose_late_clients(COUNTS, table, np.random.default_rng(3))


def test_those_holding_most_of_the_class_are_late_and_ties_go_to_the_first() -> None:
    assert late(late_clients=0) == ()
    assert late(late_clients=1) == (2,)
    assert late(late_clients=2) == (1, 2)
    assert late(late_clients=3, affected_class=0) == (0, 3, 4)


def test_a_list_is_taken_as_it_is() -> None:
    assert late(late="list", clients=(4, 0)) == (0, 4)


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, 0), (0.1, 1), (0.5, 3), (1.0, 5)])
def test_a_random_share_is_rounded(fraction: float, expected: int) -> None:
    chosen = late(late="random", late_fraction=fraction)
    assert len(set(chosen)) == expected
    assert list(chosen) == sorted(chosen)
    assert set(chosen) <= set(range(5))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"affected_class": 2}, "staleness.affected_class is 2; classes are 0 to 1"),
        ({"affected_class": 2, "late": "random"}, "classes are 0 to 1"),
        ({"late_clients": 6}, "staleness.late_clients is 6, but there are only 5 clients"),
        ({"late": "list"}, "staleness.clients is empty"),
        ({"late": "list", "clients": (1, 5, 7)}, "unknown clients [5, 7]; clients are 0 to 4"),
    ],
)
def test_late_clients_that_cannot_be(spec: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        late(**spec)
    assert said in str(error.value)


def test_a_class_that_nobody_holds_cannot_choose() -> None:
    with pytest.raises(InputError, match="no client holds samples of class 1"):
        choose_late_clients(
            np.array([[3, 0]]), StalenessTable(affected_class=1, late_clients=1), np.random.default_rng(0)
        )
