"""A recurrent network that reads a text in both directions, and the greatest value of each of its states.

Papers: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, with the forget gate of Gers et al., 2000; the
maximum over the states is that of Conneau et al., EMNLP 2017. Deviations: one bias per gate instead of PyTorch's two.
The cell is written out in plain operations, as PyTorch's fused kernel has no second derivative, which the inversion
takes; both directions run side by side.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from stalefl.contracts import InputSpec, ModelPlugin
from stalefl.training.dropout import SeededDropout
from stalefl_text.models.inputs import EXAMPLE, TextModelOptions, TextShape, text_shape


class BiLstmOptions(TextModelOptions):
    hidden: PositiveInt = Field(64, description="numbers in the state of each direction")


class BiLstm(ModelPlugin):
    summary = "one LSTM layer in both directions, the greatest value of each state over the text, a linear layer"
    paper = "Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Conneau et al., EMNLP 2017"
    Options = BiLstmOptions
    options: BiLstmOptions
    example_spec = EXAMPLE

    def build(self, spec: InputSpec) -> nn.Module:
        return BiLstmModule(text_shape(spec, "bilstm", self.options), spec.classes, self.options)


class BiLstmModule(nn.Module):
    """Logits [N, classes] of texts: tokens [N, L] or their vectors [N, L, D]."""

    def __init__(self, shape: TextShape, classes: int, options: BiLstmOptions) -> None:
        super().__init__()
        self.embedding = shape.embedding(options.train_embedding)
        self.lstm = BothDirections(shape.dim, options.hidden)
        self.dropout = SeededDropout(options.dropout)
        self.output = nn.Linear(2 * options.hidden, classes)

    def forward(self, texts: Tensor) -> Tensor:
        return self.output(self.dropout(self.lstm(self.embedding(texts)).amax(dim=1)))


class BothDirections(nn.Module):
    """Vectors [N, L, D] -> states [N, L, 2 H]: forwards, then backwards; each begins at 0.

    Gates are in PyTorch's order: input, forget, cell, output. Initial values are uniform within 1 / sqrt(H), as there.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(hidden)
        self.hidden = hidden
        self.from_input = nn.Parameter(torch.empty(2, dim, 4 * hidden).uniform_(-bound, bound))
        self.from_state = nn.Parameter(torch.empty(2, hidden, 4 * hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(2, 1, 4 * hidden).uniform_(-bound, bound))

    def forward(self, vectors: Tensor) -> Tensor:
        samples, length, _ = vectors.shape
        both = torch.stack([vectors, vectors.flip(1)]).flatten(1, 2)
        gates = torch.baddbmm(self.bias, both, self.from_input).view(2, samples, length, -1)
        state = cell = torch.zeros(2, samples, self.hidden).to(gates)
        states = []
        for place in range(length):
            state, cell = lstm_step(gates[:, :, place] + state @ self.from_state, cell)
            states.append(state)
        forwards, backwards = torch.stack(states, dim=2)
        return torch.cat([forwards, backwards.flip(1)], dim=2)


def lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The next state and cell [..., H], from gates [..., 4 H] before their activation."""
    enter, forget, new, leave = gates.chunk(4, dim=-1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * cell.tanh(), cell
