from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from stalefl_text.datasets.huggingface import HuggingFaceText
from stalefl_text.datasets.template_sentences import TemplateSentences
from stalefl_text.datasets.trec import Trec

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError
from stalefl.data.notices import tell_once
from stalefl.testing import DATASET_CHECKS

QUESTIONS = """ABBR:exp What is the full form of .com ?
DESC:manner How did serfdom develop in Russia ?
ENTY:animal What fowl grabs the spotlight ?
HUM:ind Who killed Gandhi ?
LOC:city What is the capital of Yugosl\xe1via ?
NUM:date When was Ozzy Osbourne born ?
"""
SENTENCES = ["a good film", "a bad film", "good", "bad acting", "what a good day", "a bad day"]
LABELS = [1, 0, 1, 0, 1, 0]


def load(plugin: type[DatasetPlugin], data_dir: Path = Path("data"), **options: Any) -> Dataset:
    return plugin(plugin.Options.model_validate(options)).load(DataContext(data_dir))


def shown(dataset: Dataset, row: int = 0) -> list[str]:
    return [dataset.spec.tokens[token] for token in dataset.train.raw[row].tolist()]


@pytest.fixture
def trec(tmp_path: Path) -> Path:
    (tmp_path / "trec").mkdir()
    (tmp_path / "trec" / "train_5500.label").write_text(QUESTIONS * 5, encoding="latin-1")
    return tmp_path


@pytest.fixture
def films(tmp_path: Path) -> Path:
    rows = {"text": SENTENCES * 2, "label": LABELS * 2}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "films.parquet")
    datasets.Dataset.from_dict(rows).to_csv(tmp_path / "films.csv")
    return tmp_path


def in_splits(folder: Path, test: dict[str, list[Any]]) -> None:
    """A folder with the sentences for training, and others to test on."""
    folder.mkdir()
    datasets.Dataset.from_dict({"text": SENTENCES, "label": LABELS}).to_parquet(folder / "train.parquet")
    datasets.Dataset.from_dict(test).to_parquet(folder / "test.parquet")


@pytest.fixture(autouse=True)
def everything_is_told_anew() -> None:
    tell_once.cache_clear()


@pytest.mark.parametrize("check", DATASET_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("tokenizer", ["words", "bpe"])
def test_template_sentences_conform(check, tokenizer: str) -> None:
    check(TemplateSentences, {"tokenizer": tokenizer})


@pytest.mark.parametrize("check", DATASET_CHECKS, ids=lambda check: check.__name__)
def test_trec_conforms(check, trec: Path) -> None:
    check(Trec, {"length": 6}, DataContext(trec))


@pytest.mark.parametrize("check", DATASET_CHECKS, ids=lambda check: check.__name__)
def test_hugging_face_texts_conform(check, films: Path) -> None:
    check(HuggingFaceText, {"source": "films.parquet", "train_split": "train", "test_split": ""}, DataContext(films))


# --- TREC -----------------------------------------------------------------------------------------------------------


def test_a_question_is_cut_filled_and_told_of(trec: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="stalefl"):
        dataset = load(Trec, trec, length=7)
    assert shown(dataset) == ["what", "is", "the", "full", "form", "of", "."]
    about_a_human = dataset.train.targets.tolist().index(3)
    assert shown(dataset, about_a_human) == ["who", "killed", "gandhi", "?", "<pad>", "<pad>", "<pad>"]
    said = "trec: 4 of 24 training texts are cut after 7 tokens (option length)"
    assert said in [record.getMessage() for record in caplog.records]


def test_the_last_fifth_of_every_class_is_for_testing(trec: Path) -> None:
    dataset = load(Trec, trec)
    assert dataset.train.targets.bincount().tolist() == [4] * 6
    assert dataset.test.targets.bincount().tolist() == [1] * 6
    assert dataset.spec.class_names == ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")


def test_the_official_test_file_is_taken_where_it_is(trec: Path) -> None:
    (trec / "trec" / "TREC_10.label").write_text(QUESTIONS * 2, encoding="latin-1")
    dataset = load(Trec, trec)
    assert (len(dataset.train), len(dataset.test)) == (30, 12)


def test_a_folder_as_an_option(trec: Path) -> None:
    options = {"folder": str(trec / "trec")}
    assert len(load(Trec, Path("nowhere"), **options).train) == 24


def test_where_it_belongs_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train_5500.label not found in 'trec', neither as given nor in .*; valid"):
        load(Trec, tmp_path)


@pytest.mark.parametrize("line", ["FISH:salmon What swims ?", "HUM:ind", "no label at all"])
def test_a_line_that_is_no_question_is_named(trec: Path, line: str) -> None:
    file = trec / "trec" / "train_5500.label"
    file.write_text(f"{QUESTIONS}\n{line}\n", encoding="latin-1")
    with pytest.raises(InputError, match=r"train_5500.label, line 8: '.*' is no question; valid: CLASS:detail TEXT"):
        load(Trec, trec)


@pytest.mark.parametrize("separator", ["\x0c", "\x85", "\x1c", "\x0b"])
def test_lines_end_at_newlines_alone(trec: Path, separator: str) -> None:
    file = trec / "trec" / "train_5500.label"
    file.write_text(
        QUESTIONS.replace(" of ", f" of{separator} ").replace("\n", "\r\n") * 5, encoding="latin-1", newline=""
    )
    assert len(load(Trec, trec).train) == 24


def test_a_class_without_a_text_is_named(trec: Path) -> None:
    file = trec / "trec" / "train_5500.label"
    file.write_text("".join(line for line in QUESTIONS.splitlines(True) if line[:3] != "LOC") * 5, encoding="latin-1")
    with pytest.raises(InputError, match="trec: no text of class LOC in the training split; valid: at least one"):
        load(Trec, trec)


@pytest.mark.realdata
def test_the_real_questions(real_data: Path) -> None:
    dataset = load(Trec, real_data)
    assert (len(dataset.train), len(dataset.test), len(dataset.spec.tokens)) == (4362, 1090, 2000)
    assert dataset.train.targets.bincount().tolist() == [69, 930, 1000, 978, 668, 717]
    # "How did serfdom develop in and then leave Russia ?": two of the words are too rare for 2,000.
    assert shown(dataset)[:7] == ["how", "did", "<unk>", "<unk>", "in", "and", "then"]


# --- the vocabulary -------------------------------------------------------------------------------------------------


def test_what_is_not_in_the_vocabulary_is_unknown(films: Path) -> None:
    dataset = load(HuggingFaceText, films, source="films.csv", test_split="", vocabulary_size=4, length=4)
    assert dataset.spec.tokens[:2] == ("<pad>", "<unk>")
    assert len(dataset.spec.tokens) == 4
    assert dataset.train.raw.max() == 3
    assert dataset.spec.value_range == ((0.0,) * 4, (3.0,) * 4)


def test_the_vocabulary_is_that_of_the_training_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_splits(tmp_path / "films", {"text": ["un bon film", "quelle horreur"], "label": [1, 0]})
    with caplog.at_level(logging.WARNING, logger="stalefl"):
        dataset = load(HuggingFaceText, tmp_path, source="films", length=3)
    assert "bon" not in dataset.spec.tokens
    assert dataset.test.raw[1].tolist() == [1, 1, 0]
    assert "1 of 2 test texts hold no known token and are <unk> or empty throughout" in caplog.text


def test_texts_of_another_language_are_refused(tmp_path: Path) -> None:
    in_splits(tmp_path / "films", {"text": ["bien", "mal"], "label": [1, 0]})
    with pytest.raises(InputError, match="no token of the test texts is in the vocabulary of 2000; valid: a greater"):
        load(HuggingFaceText, tmp_path, source="films")


def test_parts_of_words_stand_for_words_that_are_rare() -> None:
    words, parts = (load(TemplateSentences, tokenizer=kind, vocabulary_size=60) for kind in ("words", "bpe"))
    assert (words.train.raw == 1).any()
    assert not (parts.train.raw == 1).any()
    assert len(parts.spec.tokens) == 60


# --- Hugging Face ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["films.parquet", "films.csv"])
def test_files_are_read(films: Path, source: str) -> None:
    dataset = load(HuggingFaceText, films, source=source, test_split="", test_fraction=0.5)
    assert (len(dataset.train), len(dataset.test), dataset.spec.classes) == (6, 6, 2)


def test_class_names_are_those_of_the_features(tmp_path: Path) -> None:
    features = datasets.Features({"q": datasets.Value("string"), "kind": datasets.ClassLabel(names=["why", "who"])})
    rows = {"q": ["why me", "who knows"] * 3, "kind": [0, 1] * 3}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "q.parquet")
    dataset = load(HuggingFaceText, tmp_path, source="q.parquet", test_split="", test_fraction=0.4)
    assert dataset.spec.class_names == ("why", "who")


def test_labels_may_be_names(tmp_path: Path) -> None:
    rows = {"text": SENTENCES * 2, "label": ["good", "bad"] * 6}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "named.parquet")
    dataset = load(HuggingFaceText, tmp_path, source="named.parquet", text_column="text", test_split="")
    assert dataset.spec.class_names == ("bad", "good")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["1", "3", "1", "3", "10", "10"], ("1", "3", "10")),
        (["true", "false"] * 3, ("false", "true")),
        (["NA", "null", "None"] * 2, ("NA", "None", "null")),
        (["2000000000", "200000"] * 3, ("200000", "2000000000")),
        (["-1", "1"] * 3, ("-1", "1")),
        (["0.0", "10.0", "2.0"] * 2, ("0", "2", "10")),
    ],
)
def test_classes_of_a_table_are_the_labels_that_occur(
    tmp_path: Path, labels: list[str], names: tuple[str, ...]
) -> None:
    lines = ["text;label", *(f"{text};{label}" for text, label in zip(SENTENCES * 2, labels * 2, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert load(HuggingFaceText, tmp_path, source="t.csv", test_split="").spec.class_names == names


def test_texts_that_are_na_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n" + "NA,1\nnull,2\n" * 3)
    assert load(HuggingFaceText, tmp_path, source="t.csv", test_split="").spec.tokens == (
        "<pad>",
        "<unk>",
        "na",
        "null",
    )


def test_a_test_split_without_labels_is_told_of(tmp_path: Path) -> None:
    in_splits(tmp_path / "films", {"text": ["good", "bad"], "label": [-1, -1]})
    with pytest.raises(InputError, match="not labelled .*; --set data.options.test_split= splits a share"):
        load(HuggingFaceText, tmp_path, source="films")


def test_many_missing_classes_are_not_all_listed(tmp_path: Path) -> None:
    in_splits(tmp_path / "films", {"text": ["good"], "label": [1]})
    names = datasets.ClassLabel(names=[f"class {k}" for k in range(50_000)])
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    rows = datasets.Dataset.from_dict({"text": SENTENCES, "label": LABELS}, features)
    rows.to_parquet(tmp_path / "films" / "train.parquet")
    with pytest.raises(InputError, match="no text of class class 2, .* and 49993 more in the training split"):
        load(HuggingFaceText, tmp_path, source="films")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"source": ""}, "name a data set, as hf-text:NAME"),
        ({"source": "films.parquet", "text_column": "review"}, r"no column 'review'; columns are \['text', 'label'\]"),
        (
            {"source": "films.parquet", "text_column": "label"},
            "text number 1 of the training split .* is 1;",
        ),
        ({"source": "films.parquet", "label_column": "stars"}, "no column 'stars'"),
        ({"source": "films.txt"}, "neither a path .* nor in Hugging Face's local cache"),
    ],
)
def test_what_does_not_fit_is_refused(films: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"^hf-text:.*{said}"):
        load(HuggingFaceText, films, test_split="", **options)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"text": SENTENCES, "label": [[0], [1], [0], [1], [0], [1]]}, "sample 1 of the training split has a label of"),
        ({"text": SENTENCES, "label": [0, 1, None, 0, 1, 0]}, "sample 3 of the training split has no label"),
        (
            {"text": ["good", None, "bad", "a", "b", "c"], "label": LABELS},
            "text number 2 of the training split .* is empty",
        ),
        ({"text": [*SENTENCES, "rare"], "label": [*LABELS, 2]}, "class 2 has one text only; valid: two or more, for"),
        ({"words": [1, 2, 3], "label": [0, 1, 0]}, "which column[?] Give the option text_column"),
        ({"text": SENTENCES, "stars": LABELS}, "which column[?] Give the option label_column"),
    ],
)
def test_rows_that_are_no_labelled_texts_are_refused(tmp_path: Path, rows: dict[str, Any], said: str) -> None:
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(InputError, match=f"^hf-text:odd.parquet: {said}"):
        load(HuggingFaceText, tmp_path, source="odd.parquet", test_split="", test_fraction=0.4)


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.95])
def test_of_a_class_of_two_texts_one_is_tested_on(tmp_path: Path, fraction: float) -> None:
    rows = {"text": [*SENTENCES, "so rare", "very rare"], "label": [*LABELS, 2, 2]}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "rare.parquet")
    found = load(HuggingFaceText, tmp_path, source="rare.parquet", test_split="", test_fraction=fraction)
    assert found.train.targets.tolist().count(2) == 1
    assert found.test.targets.tolist().count(2) == 1


def test_an_empty_text_of_the_test_split_is_counted_there(tmp_path: Path) -> None:
    in_splits(tmp_path / "films", {"text": ["good", "bad", None], "label": [1, 0, 1]})
    with pytest.raises(InputError, match="text number 3 of the test split .* is empty"):
        load(HuggingFaceText, tmp_path, source="films")


def test_a_file_without_a_test_split_says_how_to_split_one_off(films: Path) -> None:
    with pytest.raises(InputError, match=r"\]; name others .*: --set data.options.test_split=$"):
        load(HuggingFaceText, films, source="films.csv")


def test_inputs_are_whole_numbers_as_floats() -> None:
    inputs, _ = load(TemplateSentences).train.take([0, 500])
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs, inputs.round())


def test_more_tokens_than_memory_holds_are_refused() -> None:
    with pytest.raises(InputError, match="texts of 1000000000000 tokens: .* memory are free; valid: a smaller length"):
        load(TemplateSentences, length=10**12)
