from __future__ import annotations

import numpy as np

from stalefl.report.tables.partition import partition_table


def cells(counts: list[list[int]], late_clients: tuple[int, ...], affected: tuple[int, ...]) -> list[list[str]]:
    """The rows of the table, heading and footer left out."""
    names = tuple(str(label) for label in range(len(counts[0])))
    table = partition_table(np.array(counts), late_clients, names, affected, "title")
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def test_a_row_has_what_a_client_holds_of_each_class() -> None:
    assert cells([[3, 0], [0, 4]], (1,), (1,)) == [["0", "", "3", "·", "3"], ["1", "late", "·", "4", "4"]]


def test_of_many_clients_late_ones_and_the_first_others_are_shown() -> None:
    shown = cells([[1, 1]] * 60, (58,), (0,))
    assert [row[0] for row in shown] == [*map(str, range(49)), "58"]


def test_of_many_classes_the_affected_one_and_those_held_most_are_shown() -> None:
    counts = [[0, *range(1, 18)]]
    shown = cells(counts, (0,), (0,))[0]
    assert shown[2:4] == ["·", "3"]
    assert shown[-2:] == ["3", "153"]
