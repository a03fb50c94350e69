"""cnn1d: convolutions over time.

Paper: after Zheng et al., "Time Series Classification Using Multi-Channels Deep Convolutional Neural Networks", WAIM
2014: layers of convolution, activation and pooling, then a classifier on what is left of the series.
Deviations: all channels enter the first convolution together, as is usual since; rectifiers in place of sigmoids;
padded, so that a series keeps its length between poolings; one linear layer at the end.
"""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, PositiveInt
from torch import nn

from stalefl.contracts import InputError, InputSpec, ModelPlugin, Options
from stalefl.training.dropout import SeededDropout
from stalefl_timeseries.models.shape import series_shape


class Cnn1dOptions(Options):
    # Not strict: a TOML array arrives as a list.
    channels: tuple[PositiveInt, ...] = Field(
        (16, 32), strict=False, min_length=1, description="channels after each convolution; each halves the series"
    )
    kernel: int = Field(5, ge=1, description="steps a convolution sees; an odd number")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of values dropped before the linear layer")


class Cnn1d(ModelPlugin):
    summary = "convolutions over time with pooling, then one linear layer; for series"
    paper = (
        "Zheng et al., Time Series Classification Using Multi-Channels Deep Convolutional Neural Networks, WAIM 2014"
    )
    Options = Cnn1dOptions
    options: Cnn1dOptions
    example_spec = InputSpec((2, 16), 3, ((-1.0, -1.0), (1.0, 1.0)), "signal")

    def build(self, spec: InputSpec) -> nn.Module:
        widths, kernel = self.options.channels, self.options.kernel
        if kernel % 2 == 0:
            raise InputError(f"options of model cnn1d: kernel = {kernel}; valid: an odd number")
        channels, steps = series_shape(spec, "cnn1d", least_steps=2 ** len(widths))
        layers: list[nn.Module] = []
        for before, after in pairwise((channels, *widths)):
            layers += [nn.Conv1d(before, after, kernel, padding=kernel // 2), nn.ReLU(), nn.AvgPool1d(2)]
        left = widths[-1] * (steps >> len(widths))
        linear = nn.Linear(left, spec.classes)
        return nn.Sequential(*layers, nn.Flatten(), SeededDropout(self.options.dropout), linear)
