from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from stalefl.contracts import InputError
from stalefl.data.notices import tell_once
from stalefl.data.tables import TableOptions, TextTable, read_text, text_lines


@pytest.fixture(autouse=True)
def everything_is_told_anew(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="stalefl")
    tell_once.cache_clear()


def table(folder: Path, text: str, encoding: str = "utf-8", **options: Any) -> TextTable:
    (folder / "t.csv").write_bytes(text.encode(encoding))
    return TextTable.read(folder / "t.csv", TableOptions(**options))


def cells(found: TextTable) -> list[list[str]]:
    return [list(row.cells.values()) for row in found.rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = [["label", "note", "x"], ["a", '"1, 2; 3"', "4"], ["b", '"""well"" | \t"', "5"]]
    found = table(tmp_path, "\r\n".join(delimiter.join(line) for line in lines))
    assert found.columns == ("label", "note", "x")
    assert cells(found) == [["a", "1, 2; 3", "4"], ["b", '"well" | \t', "5"]]


def test_the_first_line_of_a_spreadsheet_may_name_it(tmp_path: Path) -> None:
    found = table(tmp_path, "sep=|\na;b|c\n1|2\n")
    assert (found.columns, found.rows[0].line) == (("a;b", "c"), 3)


def test_another_delimiter_than_the_one_named_is_hinted_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: 3 cells, but the header names 1 columns; .* the option delimiter"):
        table(tmp_path, "label;x\na;1,5,2\n", delimiter=",")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("ä,x\nß,1\n", name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32")] + [("ä,x\nß,1\n", "cp1252")],
)
def test_encodings_are_found(tmp_path: Path, text: str, encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="stalefl"):
        found = table(tmp_path, text, encoding)
    assert (found.columns, cells(found)) == (("ä", "x"), [["ß", "1"]])
    assert ("t.csv is no UTF-8 and is read as cp1252" in caplog.text) == (encoding == "cp1252")


def test_an_encoding_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,b\nж,1\n".encode("koi8-r"))
    assert cells(TextTable.read(tmp_path / "t.csv", TableOptions(encoding="koi8-r"))) == [["ж", "1"]]
    with pytest.raises(InputError, match="there is no encoding utf-99"):
        TextTable.read(tmp_path / "t.csv", TableOptions(encoding="utf-99"))


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        (["0,5;1", "7;-1,25e1"], [[0.5, 1], [7, -12.5]]),
        (["1.5;1", "2;3"], [[1.5, 1], [2, 3]]),
        (["1,104;0,5"], [[1.104, 0.5]]),
    ],
)
def test_decimal_commas_are_found(tmp_path: Path, rows: list[str], values: list[list[float]]) -> None:
    found = table(tmp_path, "\n".join(["x;y", *rows]))
    assert [[row.number(name) for name in "xy"] for row in found.rows] == values


def test_what_could_be_thousands_is_asked_for(tmp_path: Path) -> None:
    text = 'x,y\n"1,234",5\n'
    with pytest.raises(InputError, match='column x: "1,234" is not a number; if its comma .* option decimal = ","'):
        table(tmp_path, text).rows[0].number("x")
    assert table(tmp_path, text, decimal=",").rows[0].number("x") == 1.234


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "1e300", "one", "1,2,3"])
def test_what_is_no_number_is_named(tmp_path: Path, text: str) -> None:
    found = table(tmp_path, f'a;x\nb;1\nc;"{text}"\n')
    with pytest.raises(InputError, match=f't.csv, line 3, column x: "{text}" is'):
        found.rows[1].number("x")


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        ("2024-02-29", "2024-03-01", 86400),
        ("2024-05-01T10:00:00Z", "2024-05-01 12:00:01.5+02:00", 1.5),
        ("2024-05-01 10:00", "2024-05-01 10:01", 60),
        ("2024-05-01T10:00:00.123456789", "2024-05-01T11:00:01.123456+0100", 1),
        ("0.5", "2", 1.5),
    ],
)
def test_times_are_numbers_or_iso(tmp_path: Path, first: str, second: str, seconds: float) -> None:
    start, end = (row.time("t") for row in table(tmp_path, f"t,x\n{first},1\n{second},2\n").rows)
    assert (end[1] - start[1], end[0]) == (seconds, first != "0.5")


def test_other_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='column t: "01.05.2024" is no time; valid: a number, or as 2024-05-31T12:30'):
        table(tmp_path, "t,x\n01.05.2024,1\n").rows[0].time("t")


def test_lines_end_at_newlines_alone(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a\x0cb\u2028c\x85d\r\ne\x1cf\n", newline="")
    assert text_lines(tmp_path / "t") == ["a\x0cb\u2028c\x85d", "e\x1cf", ""]
    assert cells(table(tmp_path, "x,y\na\u2028b,c\x0cd\n")) == [["a\u2028b", "c\x0cd"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "t.csv is empty; valid: a header and at least one row"),
        ("a,b\n", "t.csv is empty"),
        ("a,a\n1,2\n", 'has the column "a" twice'),
        ('a,b\n1,"2\n3,4\n', "line 3: unexpected end of data; valid: CSV, quotes only around whole cells"),
        ("a,b\n1,2,3\n", "line 2: 3 cells, but the header names 2 columns"),
    ],
)
def test_a_bad_table_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        table(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for content, said in (("a,b\n1,2\n".encode("utf-16-le"), "utf-8"), (b"\xff\xfe\0", "utf-16"), (b"\xff\0", "utf-8")):
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(
            InputError, match=f"t.csv cannot be read: it is no text in {said}; valid: UTF-8, or another"
        ):
            read_text(tmp_path / "t.csv")


def test_long_texts_are_read(tmp_path: Path) -> None:
    assert len(table(tmp_path, f"a,b\n{'x' * 200_000},1\n").rows[0].text("a")) == 200_000


def test_many_columns_are_not_all_listed(tmp_path: Path) -> None:
    names = ",".join(f"v{k}" for k in range(5000))
    with pytest.raises(InputError, match='no column "label"; .* and 4980 more') as caught:
        table(tmp_path, f"{names}\n{names}\n").check_has(["label"])
    assert len(str(caught.value)) < 400


def test_pipes_and_folders_are_no_tables(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path, said in ((tmp_path / "pipe.csv", "no regular file"), (tmp_path, "no regular file")):
        with pytest.raises(InputError, match=said):
            read_text(path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_text(tmp_path / "gone")


def test_more_than_memory_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("wb") as file:
        file.truncate(2**42)
    with pytest.raises(InputError, match="t.csv in memory: .* GiB of memory are free"):
        read_text(tmp_path / "t.csv")
