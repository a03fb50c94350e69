from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import pytest

from stalefl.contracts import DataContext, InputError
from stalefl.data.hugging_face import Columns, HuggingFaceSource, _offline, opened

ROWS = {"text": ["good", "bad", "fine"], "label": [1, 0, 1]}
COLUMNS = Columns(labels=["label"])


def read(folder: Path, source: str, columns: Columns = COLUMNS, **options: Any) -> list[dict[str, list[Any]] | None]:
    """The columns of both splits."""
    chosen = HuggingFaceSource(source=source, **options)
    with opened(chosen, DataContext(folder), f"hf:{source}", columns) as splits:
        return [None if split is None else split.to_dict() for split in splits]


def one_line(folder: Path, source: str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, source, **options)
    assert str(caught.value).startswith(f"hf:{source}")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was tried to connect to, or to look up."""
    tried: list[Any] = []

    def refuse(*arguments: Any, **named: Any) -> None:
        tried.append(arguments[-1:])
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tried


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "T.CSV"])
def test_a_table_is_read_as_it_stands(tmp_path: Path, name: str) -> None:
    text = "id,n,text,label\n01,0.5,NA,true\n02,,null,01\n10,2,None,NA\n"
    (tmp_path / name).write_text(text.replace(",", "\t") if "tsv" in name else text)
    train, test = read(tmp_path, name, test_split="")
    assert test is None
    assert train == {
        "id": [1, 2, 10],
        "n": [0.5, None, 2.0],
        "text": ["NA", "null", "None"],
        "label": ["true", "01", "NA"],
    }


def test_a_table_of_another_encoding_and_delimiter(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text;label\nschön;0,5\n", encoding="utf-16")
    assert read(tmp_path, "t.csv", test_split="")[0] == {"text": ["schön"], "label": ["0,5"]}


def test_parts_of_a_table_are_splits(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,label\n1,a\n2,b\n3,c\n")
    train, test = read(tmp_path, "t.csv", train_split="train[:2]", test_split="train[2:]")
    assert (train, test) == ({"x": [1, 2], "label": ["a", "b"]}, {"x": [3], "label": ["c"]})


def test_a_folder_of_tables_has_splits_by_name(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "train.csv").write_text("file,label\na.png,NA\n")
    (tmp_path / "d" / "test.csv").write_text("file;label\n/b.png;null\n")
    (tmp_path / "d" / "LICENSE").write_text("free")
    train, test = read(tmp_path, "d", Columns(labels=["label"], paths="file"))
    assert train == {"file": [str(tmp_path / "d" / "a.png")], "label": ["NA"]}
    assert test == {"file": ["/b.png"], "label": ["null"]}


def test_a_folder_of_tables_may_have_configurations(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "one.csv").write_text("x,label\n1,NA\n")
    (tmp_path / "d" / "two.csv").write_text("x,label\n2,b\n")
    files = "".join(
        f"      - split: {part}\n        path: {name}.csv\n" for part, name in (("train", "two"), ("test", "one"))
    )
    (tmp_path / "d" / "README.md").write_text(
        f"---\nconfigs:\n  - config_name: main\n    data_files:\n{files}---\nHello\n"
    )
    train, test = read(tmp_path, "d")
    assert (train, test) == ({"x": [2], "label": ["b"]}, {"x": [1], "label": ["NA"]})


# --- saved to disk ----------------------------------------------------------------------------------------------------


def test_what_save_to_disk_has_written_is_read(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict(ROWS)
    rows.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=rows, test=rows.select([0])).save_to_disk(tmp_path / "two")
    assert read(tmp_path, "one", test_split="") == [ROWS, None]
    assert read(tmp_path, "one", train_split="train[:2]", test_split="train[2:]")[1] == {"text": ["fine"], "label": [1]}
    assert read(tmp_path, "two")[1] == {"text": ["good"], "label": [1]}
    assert 'Unknown split "dev"' in one_line(tmp_path, "two", test_split="dev")


def test_offsets_beyond_their_data_are_noticed(tmp_path: Path) -> None:
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "one")
    path = tmp_path / "one" / "data-00000-of-00001.arrow"
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 4, 7, 11))  # of good, bad, fine
    content = path.read_bytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, offsets[:-4] + b"\xff\xff\xff\x7f"))
    assert "data-00000-of-00001.arrow is damaged: " in one_line(tmp_path, "one", test_split="")


def test_splits_that_declare_other_classes_are_refused(tmp_path: Path) -> None:
    first, second = (
        datasets.Dataset.from_dict(
            ROWS, datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
        )
        for names in (["no", "yes"], ["yes", "no"])
    )
    datasets.DatasetDict(train=first, test=second).save_to_disk(tmp_path / "saved")
    assert "differ in their columns or declared classes" in one_line(tmp_path, "saved")
    (tmp_path / "d").mkdir()
    first.to_parquet(tmp_path / "d" / "train.parquet")
    second.to_parquet(tmp_path / "d" / "test.parquet")
    assert "test.parquet declares the classes yes, no in column label, train.parquet no, yes" in one_line(tmp_path, "d")


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "one")
    (tmp_path / "one" / "state.json").write_text(json.dumps({"_data_files": 3}))
    assert "one cannot be read: " in one_line(tmp_path, "one", test_split="")


# --- nothing is executed, nothing fetched -----------------------------------------------------------------------------


def test_a_script_is_not_executed(tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "evil.py").write_text(f"open({str(tmp_path / 'was here')!r}, 'w')")
    datasets.Dataset.from_dict(ROWS).to_parquet(tmp_path / "evil" / "train.parquet")
    assert "evil.py is a script, and nothing in a data folder is executed" in one_line(tmp_path, "evil", test_split="")
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("data_files: http://127.0.0.1:9/x.csv", "README.md names the address 'http://127.0.0.1:9/x.csv'"),
        ("data_files: [a.parquet, 's3://bucket/x']", "names the address 's3://bucket/x'"),
        ("data_files: {train: 'zip://x::https://host/x.zip'}", "names the address"),
        ("data_files: [{split: train, path: hf://datasets/a/b/x.csv}]", "names the address 'hf://datasets"),
        ("data_files: /etc/passwd", "'/etc/passwd', which lies elsewhere"),
        ("data_dir: ../other", "'../other', which lies elsewhere"),
    ],
)
@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
def test_no_address_is_visited(tmp_path: Path, unplugged: list[Any], written: str, said: str, name: str) -> None:
    (tmp_path / "d").mkdir()
    datasets.Dataset.from_dict(ROWS).to_parquet(tmp_path / "d" / "train.parquet")
    document = f"configs:\n  - config_name: default\n    {written}\n"
    (tmp_path / "d" / name).write_text(f"---\n{document}---\n" if name.endswith("md") else document)
    assert said.replace("README.md", name) in one_line(tmp_path, "d", test_split="")
    assert unplugged == []


@pytest.mark.parametrize("source", ["d", "d/train.parquet", "t.csv", "someone/unheard-of", "https://host/x.parquet"])
def test_no_source_connects(tmp_path: Path, unplugged: list[Any], source: str) -> None:
    (tmp_path / "d").mkdir()
    datasets.Dataset.from_dict(ROWS).to_parquet(tmp_path / "d" / "train.parquet")
    (tmp_path / "t.csv").write_text("text,label\ngood,https://host/x\nbad,b\n")
    if (tmp_path / source).exists():
        assert read(tmp_path, source, test_split="")[0]
    else:
        one_line(tmp_path, source, test_split="")
    assert unplugged == []


def test_a_configuration_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    datasets.Dataset.from_dict(ROWS).to_parquet(tmp_path / "d" / "train.parquet")
    (tmp_path / "d" / ".huggingface.yaml").write_text("configs: [")
    assert ".huggingface.yaml cannot be read" in one_line(tmp_path, "d", test_split="")


def test_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "d" / "train.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for source in ("d", "pipe.csv"):
        assert "no regular file" in one_line(tmp_path, source, test_split="")


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert "holds no file of data; valid: .parquet, .csv" in one_line(tmp_path, "d", test_split="")


def test_the_offline_switch_is_put_back() -> None:
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    with _offline():
        assert datasets.config.HF_HUB_OFFLINE
        assert huggingface_hub.constants.HF_HUB_OFFLINE
    assert before == (datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE)
