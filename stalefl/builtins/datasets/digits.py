"""The digits that come with scikit-learn: real handwriting, 8x8 pixels, no download.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (its test
part, 1,797 samples). They have no split of their own: 140 samples of every class, the same ones always, are the
1,400 training samples; the 397 others are the test split. Inputs are normalised by the training pixels' mean and
standard deviation on the scale 0..1.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from stalefl.builtins.datasets.images import Normalise, image_dataset
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, InputError, Options
from stalefl.seeds import named_rng

TRAIN_PER_CLASS = 140


class DigitsOptions(Options):
    pass


class Digits(DatasetPlugin):
    summary = "8x8 handwritten digits that come with scikit-learn: 1,400 training and 397 test samples"
    paper = "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998"
    Options = DigitsOptions

    def load(self, context: DataContext) -> Dataset:
        rows = _rows_of_scikit_learn()
        labels = rows[:, -1].astype(np.int64)
        pixels = torch.from_numpy(rows[:, :-1].reshape(-1, 1, 8, 8).astype(np.uint8))
        targets = torch.from_numpy(labels)
        rng = named_rng(0, "digits-split")
        chosen = [rng.permutation(np.flatnonzero(labels == label))[:TRAIN_PER_CLASS] for label in range(10)]
        in_train = torch.zeros(len(targets), dtype=torch.bool)
        in_train[torch.from_numpy(np.concatenate(chosen))] = True
        train, test = ((pixels[part], targets[part]) for part in (in_train, ~in_train))
        names = [str(label) for label in range(10)]
        return image_dataset("digits", train, test, Normalise((0.3056,), (0.3760,), greatest=16), names)


def _rows_of_scikit_learn() -> np.ndarray:
    """Rows [1797, 65] of 64 pixels in 0..16 and a label. Raises InputError if the installed package lacks the file.

    numpy reads the file: scikit-learn takes seconds to import, and pandas, pyarrow and rich with it.
    """
    package = find_spec("sklearn")
    folders = (package.submodule_search_locations if package else None) or ["sklearn"]
    file = Path(folders[0]) / "datasets" / "data" / "digits.csv.gz"
    try:
        return np.loadtxt(file, delimiter=",")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the data set digits from {file}; valid: an installed scikit-learn") from error
