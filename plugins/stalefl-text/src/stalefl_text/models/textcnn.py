"""Convolutions over words, the strongest answer of each filter in a text, and a linear layer.

Paper: Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014: widths 3, 4 and 5 with 100 filters
each. Deviations: 64 filters of each width; token vectors are drawn and, unless asked for, not trained (no published
word vectors are fetched); dropout is off by default, so that a stale update and its reconstruction see the same
network; the norm of the last layer's weights is free.
"""

from __future__ import annotations

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import relu

from stalefl.contracts import InputError, InputSpec, ModelPlugin
from stalefl.training.dropout import SeededDropout
from stalefl_text.models.inputs import EXAMPLE, TextModelOptions, TextShape, text_shape


class TextCnnOptions(TextModelOptions):
    filters: PositiveInt = Field(64, description="filters of each width")
    widths: tuple[PositiveInt, ...] = Field((3, 4, 5), strict=False, min_length=1, description="tokens a filter sees")


class TextCnn(ModelPlugin):
    summary = "convolutions over 3, 4 and 5 tokens, their greatest value in the text, a linear layer"
    paper = "Kim, Convolutional Neural Networks for Sentence Classification, EMNLP 2014"
    Options = TextCnnOptions
    options: TextCnnOptions
    example_spec = EXAMPLE

    def build(self, spec: InputSpec) -> nn.Module:
        shape = text_shape(spec, "textcnn", self.options)
        if max(self.options.widths) > shape.length:
            raise InputError(
                f"model textcnn has filters over {max(self.options.widths)} tokens, the data set's texts have "
                f"{shape.length}; valid: smaller widths, or a greater length of the data set"
            )
        return TextCnnModule(shape, spec.classes, self.options)


class TextCnnModule(nn.Module):
    """Logits [N, classes] of texts: tokens [N, L] or their vectors [N, L, D]."""

    def __init__(self, shape: TextShape, classes: int, options: TextCnnOptions) -> None:
        super().__init__()
        self.embedding = shape.embedding(options.train_embedding)
        self.convolutions = nn.ModuleList(nn.Conv1d(shape.dim, options.filters, width) for width in options.widths)
        self.dropout = SeededDropout(options.dropout)
        self.output = nn.Linear(options.filters * len(options.widths), classes)

    def forward(self, texts: Tensor) -> Tensor:
        vectors = self.embedding(texts).transpose(1, 2)
        strongest = [relu(convolution(vectors)).amax(dim=2) for convolution in self.convolutions]
        return self.output(self.dropout(torch.cat(strongest, dim=1)))
