"""Any data set of texts that Hugging Face's ``datasets`` can read: a hub name, a local folder or file.

Nothing is fetched unless the user allows it; without that, a hub name is looked up in the local cache only.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError
from stalefl.data.hugging_face import Columns, HuggingFaceSource, opened
from stalefl.data.labels import classes_of
from stalefl_text.datasets.texts import Labelled, divided, text_dataset
from stalefl_text.tokenise import TextOptions

LABEL_NAMES = ("label", "labels")
STRINGS = ("string", "large_string")


class HuggingFaceTextOptions(TextOptions, HuggingFaceSource):
    text_column: str = Field("", description="the column of texts (default: the first one of strings)")
    label_column: str = Field("", description="the column of labels (default: the first of class labels, or 'label')")


class HuggingFaceText(DatasetPlugin):
    summary = "a data set of texts read with Hugging Face datasets: hub name, folder or file; hf-text:NAME"
    paper = "Lhoest et al., Datasets: A Community Library for Natural Language Processing, EMNLP 2021"
    Options = HuggingFaceTextOptions
    options: HuggingFaceTextOptions

    def load(self, context: DataContext) -> Dataset:
        options, name = self.options, f"hf-text:{self.options.source}"
        if not options.source:
            raise InputError("hf-text: name a data set, as hf-text:NAME, hf-text:FOLDER or hf-text:FILE.csv")
        stated = Columns(labels=[options.label_column] if options.label_column else LABEL_NAMES)
        with opened(options, context, name, stated) as (train_rows, test_rows):
            columns = _columns(train_rows, options, name)
            texts, labels = _read(train_rows, columns, name, "training")
            test_texts, test_labels = ([], []) if test_rows is None else _read(test_rows, columns, name, "test")
            declared = getattr(train_rows.features[columns[1]], "names", None) or ()
        classes = classes_of(labels, test_labels, name, declared)
        train, test = Labelled(texts, classes.train), Labelled(test_texts, classes.test)
        if not test_texts:
            train, test = divided(name, train, classes.names, options.test_fraction)
        return text_dataset(name, train, test, classes.names, options)


def _columns(rows: Any, options: HuggingFaceTextOptions, name: str) -> tuple[str, str]:
    """The text and the label column: as chosen, else found by their features."""
    features = rows.features
    for column in filter(None, (options.text_column, options.label_column)):
        if column not in features:
            raise InputError(f"{name}: no column {column!r}; columns are {list(features)}")
    named = [column for column, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    label = options.label_column or next((c for c in [*named, *LABEL_NAMES] if c in features), "")
    strings = [column for column, feature in features.items() if getattr(feature, "dtype", "") in STRINGS]
    text = options.text_column or next((c for c in strings if c != label), "")
    for key, found in (("text_column", text), ("label_column", label)):
        if not found:
            raise InputError(f"{name}: which column? Give the option {key}; columns are {list(features)}")
    return text, label


def _read(rows: Any, columns: tuple[str, str], name: str, part: str) -> tuple[list[str], list[Any]]:
    """The texts, and the labels as they are stored."""
    if missing := [column for column in columns if column not in rows.column_names]:
        raise InputError(f"{name}: no column {missing[0]!r} in every split; columns are {rows.column_names}")
    if not len(rows):
        raise InputError(f"{name}: the {part} split is empty; valid: at least one text of every class")
    table = rows.with_format("arrow")[:]
    texts, labels = (table.column(column).to_pylist() for column in columns)
    wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        found = "is empty" if texts[wrong] is None else f"is {str(texts[wrong])[:40]}"
        where = f"text number {wrong + 1} of the {part} split (column {columns[0]!r})"
        raise InputError(f"{name}: {where} {found}; valid: a string in every row")
    return texts, labels
