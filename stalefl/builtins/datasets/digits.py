"""The digits that come with scikit-learn: real handwriting, 8x8 pixels, no download.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (its test
part, 1,797 samples). They have no split of their own: 140 samples of every class, the same ones always, are the
1,400 training samples; the 397 others are the test split. Inputs are normalised by the training pixels' mean and
standard deviation on the scale 0..1.
"""

from __future__ import annotations

import numpy as np
import torch

from stalefl.builtins.datasets.images import Normalise, image_dataset
from stalefl.contracts import DataContext, Dataset, DatasetPlugin, Options
from stalefl.seeds import named_rng

TRAIN_PER_CLASS = 140


class DigitsOptions(Options):
    pass


class Digits(DatasetPlugin):
    summary = "8x8 handwritten digits that come with scikit-learn: 1,400 training and 397 test samples"
    paper = "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998"
    Options = DigitsOptions

    def load(self, context: DataContext) -> Dataset:
        from sklearn.datasets import load_digits

        digits = load_digits()
        pixels = torch.from_numpy(digits.images.astype(np.uint8)).unsqueeze(1)
        targets = torch.from_numpy(digits.target.astype(np.int64))
        rng = named_rng(0, "digits-split")
        chosen = [rng.permutation(np.flatnonzero(digits.target == label))[:TRAIN_PER_CLASS] for label in range(10)]
        in_train = torch.zeros(len(targets), dtype=torch.bool)
        in_train[torch.from_numpy(np.concatenate(chosen))] = True
        train, test = ((pixels[part], targets[part]) for part in (in_train, ~in_train))
        names = [str(label) for label in range(10)]
        return image_dataset("digits", train, test, Normalise((0.3056,), (0.3760,), greatest=16), names)
