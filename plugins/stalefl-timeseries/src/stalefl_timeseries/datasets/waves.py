"""waves: six shapes of waves with noise, made on the spot: something to try series on without any data.

Made for this package, after no paper. A series has 1.5 to 3 periods (a chirp that many on average, slow at first), any
phase, an amplitude from 0.7 to 1.3 and Gaussian noise. The same series come each time.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from stalefl.contracts import DataContext, Dataset, DatasetPlugin, Options
from stalefl.data.memory import check_memory
from stalefl.seeds import named_rng
from stalefl_timeseries.series import Array, series_dataset

CLASSES = ("sine", "triangle", "square", "saw", "pulse", "chirp")
PULSE = 0.2
"""The share of a period that a pulse is up."""


class WavesOptions(Options):
    samples_per_class: int = Field(200, ge=1, description="training series of each class; for testing a third as many")
    length: int = Field(64, ge=8, description="steps of a series")
    noise: float = Field(0.2, ge=0, description="standard deviation of the noise; amplitudes are about 1")


class Waves(DatasetPlugin):
    summary = "six shapes of waves with noise, made on the spot: 1,200 training and 402 test series of 64 steps"
    Options = WavesOptions
    options: WavesOptions

    def load(self, context: DataContext) -> Dataset:
        count, length = self.options.samples_per_class, self.options.length
        needed = 32 * len(CLASSES) * count * length
        check_memory(needed, "waves", "valid: smaller samples_per_class or length")
        train, test = self._split("train", count), self._split("test", -(-count // 3))
        return series_dataset("waves", train, test, CLASSES, ("amplitude",))

    def _split(self, part: str, count: int) -> tuple[Array, torch.Tensor]:
        rng = named_rng(0, f"waves-{part}")
        targets = torch.arange(len(CLASSES)).repeat_interleave(count)
        values = np.stack([self._wave(CLASSES[k], rng) for k in targets.tolist()])
        return values[:, None].astype(np.float32), targets

    def _wave(self, kind: str, rng: np.random.Generator) -> Array:
        periods, phase, amplitude = rng.uniform(1.5, 3), rng.uniform(), rng.uniform(0.7, 1.3)
        time = np.linspace(0, 1, self.options.length, endpoint=False)
        clean = amplitude * shape(kind, phase + periods * (2 * time**2 if kind == "chirp" else time))
        return clean + self.options.noise * rng.standard_normal(self.options.length)


def shape(kind: str, turns: Array) -> Array:
    """A wave from -1 to 1 after so many turns."""
    place = turns % 1
    match kind:
        case "triangle":
            return 1 - 4 * np.abs(place - 0.5)
        case "square":
            return np.where(place < 0.5, 1.0, -1.0)
        case "saw":
            return 2 * place - 1
        case "pulse":
            return np.where(place < PULSE, 1.0, -1.0)
        case _:
            return np.sin(2 * np.pi * turns)
