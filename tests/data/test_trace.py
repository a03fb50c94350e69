from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stalefl.config.schema import StalenessTable
from stalefl.contracts import InputError
from stalefl.data.partition import Partition
from stalefl.data.setup import prepare_partition
from stalefl.data.trace import TraceRow, late_in_trace, read_trace
from tests.data.test_setup import DATA, SPEC

HEADING = "client,dispatched_round,arrived_round"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "trace.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_are_read_as_they_stand(tmp_path: Path) -> None:
    rows = read_trace(written(tmp_path, HEADING, "2,1,4", "0,3,3", "", "2,2,3"), clients=3)
    assert rows == (TraceRow(2, 1, 4), TraceRow(0, 3, 3), TraceRow(2, 2, 3))
    assert late_in_trace(rows) == (2,)


def test_columns_may_stand_in_another_order_among_others(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffarrived_round, client, note, dispatched_round", "4, 2, slow, 1")
    assert read_trace(path, clients=3) == (TraceRow(2, 1, 4),)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADING, "1,1,2", "1,5,4"], "line 3: arrives in round 4, before it is given the model in round 5"),
        ([HEADING, "3,1,2"], "line 2: there is no client 3; valid: 0 to 2"),
        ([HEADING, "-1,1,2"], "line 2: there is no client -1; valid: 0 to 2"),
        ([HEADING, "1,0,2"], "line 2: dispatched_round = 0 is not valid; valid: rounds from 1"),
        (
            [HEADING, "1,1,2", "0,1,1", "1,1,2"],
            "line 4: client 1 is given the model of round 1 a second time, after line 2",
        ),
        ([HEADING, "1,1,2", "1,1,3"], "line 3: client 1 is given the model of round 1 a second time"),
        (["client,dispatched_round", "1,1"], "line 1: no column arrived_round"),
        ([HEADING, "1,1.5,2"], "line 2: dispatched_round = '1.5' is not valid; valid: a whole number"),
        ([HEADING, f"1,1,{'9' * 5000}"], "line 2: arrived_round has 5000 digits; valid: up to 18"),
        ([HEADING, "1,,2"], "line 2: dispatched_round = '' is not valid"),
        ([HEADING, "1,1"], "line 2: 2 values; valid: 3"),
        ([HEADING], "names no update"),
        ([""], "line 1: no column client"),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(tmp_path: Path, lines: list[str], said: str) -> None:
    path = written(tmp_path, *lines)
    with pytest.raises(InputError) as caught:
        read_trace(path, clients=3)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name, said in (
        ("nowhere.csv", "cannot be read: No such file"),
        ("bytes", "bytes cannot be read: it is no text in utf-16"),
    ):
        with pytest.raises(InputError, match=said):
            read_trace(tmp_path / name, clients=3)


def test_a_trace_says_who_is_late(tmp_path: Path) -> None:
    trace = written(tmp_path, HEADING, "6,1,4", "2,3,3", "1,1,2")
    spec = StalenessTable(affected_class=2, schedule="trace", trace=str(trace))
    partition, late = prepare_partition(DATA, SPEC, spec, seed=0)
    assert isinstance(partition, Partition)
    assert late == (1, 6)
    assert np.array_equal(partition.sizes, prepare_partition(DATA, SPEC, StalenessTable(affected_class=2), 0)[0].sizes)
