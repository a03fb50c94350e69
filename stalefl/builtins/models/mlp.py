"""A multilayer perceptron.

Paper: with its default, two hidden layers of 200 units, the "2NN" of McMahan et al., "Communication-Efficient Learning
of Deep Networks from Decentralized Data", AISTATS 2017 (199,210 parameters on MNIST). No deviations.
"""

from __future__ import annotations

import math
from itertools import pairwise

from pydantic import Field, PositiveInt
from torch import nn

from stalefl.contracts import InputSpec, ModelPlugin, Options


class MlpOptions(Options):
    # Not strict: a TOML array arrives as a list.
    hidden: tuple[PositiveInt, ...] = Field(
        (200, 200), strict=False, description="units of each hidden layer; [] = a linear classifier"
    )


class Mlp(ModelPlugin):
    summary = "linear layers with relus between them, for inputs of any shape"
    paper = "McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data, AISTATS 2017"
    Options = MlpOptions
    options: MlpOptions

    def build(self, spec: InputSpec) -> nn.Module:
        widths = (math.prod(spec.shape), *self.options.hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(widths[-1], spec.classes))
