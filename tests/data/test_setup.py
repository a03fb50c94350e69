from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stalefl.config.schema import PartitionTable, StalenessTable
from stalefl.contracts import InputError
from stalefl.data.partition import Partition, choose_late_clients, class_counts, draw_partition
from stalefl.data.partition_file import save_partition
from stalefl.data.setup import partition_meta, prepare_partition, train_labels
from stalefl.seeds import named_rng
from tests.data.samples import tiny_dataset

DATA = tiny_dataset()
SPEC = PartitionTable(kind="dirichlet", clients=8, alpha=0.3)
LATE = StalenessTable(affected_class=2, late_clients=3)


def as_lists(partition: Partition) -> list[list[int]]:
    return [own.tolist() for own in partition.indices]


def stored(path: Path, seed: int = 0, late: StalenessTable = LATE) -> PartitionTable:
    """Save a partition of DATA and name it as a configuration would."""
    partition, late_clients = prepare_partition(DATA, SPEC, late, seed)
    save_partition(path, partition, late_clients, partition_meta(DATA, SPEC, late, seed))
    return PartitionTable(file=str(path))


def test_draws_come_from_generators_of_their_own() -> None:
    partition, late = prepare_partition(DATA, SPEC, LATE, 7)
    labels = train_labels(DATA)
    expected = draw_partition(labels, 4, SPEC, named_rng(7, "partition"))
    assert as_lists(partition) == as_lists(expected)
    assert late == choose_late_clients(class_counts(expected, labels, 4), LATE, named_rng(7, "late-clients"))


def test_the_choice_of_late_clients_does_not_change_the_partition() -> None:
    random = StalenessTable(affected_class=2, late="random", late_fraction=0.5)
    assert as_lists(prepare_partition(DATA, SPEC, LATE, 0)[0]) == as_lists(prepare_partition(DATA, SPEC, random, 0)[0])


def test_a_file_takes_the_place_of_the_draw(tmp_path: Path) -> None:
    table = stored(tmp_path / "p", seed=7)
    partition, late = prepare_partition(DATA, table, LATE, seed=0)
    wanted, wanted_late = prepare_partition(DATA, SPEC, LATE, seed=7)
    assert as_lists(partition) == as_lists(wanted)
    assert late == wanted_late


def test_random_late_clients_of_a_file_hold_for_every_seed(tmp_path: Path) -> None:
    random = StalenessTable(affected_class=2, late="random", late_fraction=0.5)
    table = stored(tmp_path / "p", seed=7, late=random)
    chosen = {prepare_partition(DATA, table, random, seed)[1] for seed in range(5)}
    assert chosen == {prepare_partition(DATA, SPEC, random, 7)[1]}


def test_a_file_without_late_clients_leaves_the_choice_open(tmp_path: Path) -> None:
    table = stored(tmp_path / "p", late=StalenessTable(affected_class=2, late_clients=0))
    assert len(prepare_partition(DATA, table, LATE, 0)[1]) == 3


def test_other_late_clients_than_the_files_are_refused(tmp_path: Path) -> None:
    table = stored(tmp_path / "p")
    with pytest.raises(InputError, match="names the late clients .* asks for"):
        prepare_partition(DATA, table, StalenessTable(affected_class=2, late_clients=2), 0)


def test_a_file_for_other_data_is_refused(tmp_path: Path) -> None:
    table = stored(tmp_path / "p")
    with pytest.raises(InputError, match=r"made for other training samples \(tiny, 40\) than larger's 44"):
        prepare_partition(tiny_dataset(44, name="larger"), table, LATE, 0)


def test_a_file_that_names_samples_beyond_the_data_is_refused(tmp_path: Path) -> None:
    beyond = Partition((np.array([0, 40]),))
    save_partition(tmp_path / "p", beyond, (), partition_meta(DATA, SPEC, LATE, 0))
    with pytest.raises(InputError, match="samples that tiny does not have"):
        prepare_partition(DATA, PartitionTable(file=str(tmp_path / "p")), LATE, 0)
