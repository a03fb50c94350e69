"""gru: a gated recurrent unit that reads a series step by step, and a linear layer on what it remembers in the end.

Paper: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
EMNLP 2014. Deviations: the reset gate is applied after the recurrent product, with a bias of its own, as in PyTorch's
GRU, of which this has the equations and the initial values.

The cell is written out: the fused kernels of GPUs have no second derivative, which the inversion needs.
"""

from __future__ import annotations

import math

from pydantic import Field
from torch import Tensor, nn

from stalefl.contracts import InputSpec, ModelPlugin, Options
from stalefl.training.dropout import SeededDropout
from stalefl_timeseries.models.shape import series_shape


class GruOptions(Options):
    hidden: int = Field(32, ge=1, description="numbers that the unit remembers")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of them dropped before the linear layer")


class Gru(ModelPlugin):
    summary = "a gated recurrent unit read to the end, then one linear layer; for series"
    paper = "Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014"
    Options = GruOptions
    options: GruOptions
    example_spec = InputSpec((2, 6), 3, ((-1.0, -1.0), (1.0, 1.0)), "signal")

    def build(self, spec: InputSpec) -> nn.Module:
        channels, _ = series_shape(spec, "gru")
        return GruModule(channels, self.options.hidden, spec.classes, self.options.dropout)


class GruModule(nn.Module):
    """Logits [N, classes] of series [N, channels, steps]."""

    def __init__(self, channels: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.input = nn.Linear(channels, 3 * hidden)
        self.recurrent = nn.Linear(hidden, 3 * hidden)
        for parameter in (*self.input.parameters(), *self.recurrent.parameters()):
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))
        self.dropout = SeededDropout(dropout)
        self.output = nn.Linear(hidden, classes)

    def forward(self, series: Tensor) -> Tensor:
        memory = series.new_zeros(len(series), self.hidden)
        for given in self.input(series.transpose(1, 2)).unbind(dim=1):
            memory = self.step(given, memory)
        return self.output(self.dropout(memory))

    def step(self, given: Tensor, memory: Tensor) -> Tensor:
        """The next memory [N, H], from the step's input products [N, 3 H] (reset, update, candidate)."""
        reset, update, candidate = given.chunk(3, dim=1)
        own_reset, own_update, own_candidate = self.recurrent(memory).chunk(3, dim=1)
        kept = (update + own_update).sigmoid()
        fresh = (candidate + (reset + own_reset).sigmoid() * own_candidate).tanh()
        return (1 - kept) * fresh + kept * memory
