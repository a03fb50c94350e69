"""TREC's questions by what they ask for: an abbreviation, a description, an entity, a human, a location, a number.

Li and Roth, "Learning Question Classifiers", COLING 2002. Lines like ``DESC:manner How did serfdom develop ?``, in
Latin-1; the coarse class before the colon is the label. Where the official test file is missing, a fifth of every class
of the training file, always the same, is the test split: such figures do not compare with published ones.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError
from stalefl.data.sources import find_source
from stalefl.data.tables import text_lines
from stalefl_text.datasets.texts import Labelled, divided, text_dataset
from stalefl_text.tokenise import TextOptions

CLASSES = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
TRAIN_FILE, TEST_FILE = "train_5500.label", "TREC_10.label"


class TrecOptions(TextOptions):
    folder: str = Field("trec", description=f"where {TRAIN_FILE} lies, as given or in the data folder")
    length: int = Field(16, ge=1, description="tokens of a question; longer ones are cut, shorter ones filled up")
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description=f"share of every class for testing, without the official {TEST_FILE}"
    )


class Trec(DatasetPlugin):
    summary = "TREC's 5,452 questions in six coarse classes, from train_5500.label"
    paper = "Li and Roth, Learning Question Classifiers, COLING 2002"
    Options = TrecOptions
    options: TrecOptions

    def load(self, context: DataContext) -> Dataset:
        folder = find_source(self.options.folder, context.data_dir)
        if folder is None or not (folder / TRAIN_FILE).is_file():
            raise InputError(
                f"trec: {TRAIN_FILE} not found in {self.options.folder!r}, neither as given nor in {context.data_dir}; "
                "valid: the folder that holds it, as the option folder, or a folder trec in the data folder"
            )
        train = read_questions(folder / TRAIN_FILE)
        if (folder / TEST_FILE).is_file():
            test = read_questions(folder / TEST_FILE)
        else:
            train, test = divided("trec", train, CLASSES, self.options.test_fraction)
        return text_dataset("trec", train, test, CLASSES, self.options)


def read_questions(path: Path) -> Labelled:
    """The questions of a file and their coarse classes. Raises InputError that names a line which is not valid."""
    questions, labels = [], []
    for number, line in enumerate(text_lines(path, "latin-1"), start=1):
        if not line.strip():
            continue
        label, _, question = line.partition(" ")
        coarse = label.partition(":")[0]
        if coarse not in CLASSES or not question.strip():
            raise InputError(
                f"{path}, line {number}: {line[:40]!r} is no question; valid: CLASS:detail TEXT, CLASS one of "
                f"{', '.join(CLASSES)}"
            )
        questions.append(question)
        labels.append(CLASSES.index(coarse))
    if not questions:
        raise InputError(f"{path} is empty; valid: lines of CLASS:detail TEXT")
    return Labelled(questions, torch.tensor(labels))
