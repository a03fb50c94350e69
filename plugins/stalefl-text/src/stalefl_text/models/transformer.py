"""A small transformer encoder, and the mean of its last vectors.

Paper: Vaswani et al., "Attention Is All You Need", NeurIPS 2017. Deviations: normalisation before each part instead of
after it (Xiong et al., ICML 2020), positions are learned, GELU; padding is attended to like any token: D_rec has no
padding of its own, and client and inversion must run the same function. Attention is written out, as PyTorch's fused
kernels have no second derivative, which the inversion takes.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from stalefl.contracts import InputError, InputSpec, ModelPlugin
from stalefl.training.dropout import SeededDropout
from stalefl_text.models.inputs import EXAMPLE, TextModelOptions, TextShape, text_shape


class TextTransformerOptions(TextModelOptions):
    layers: PositiveInt = Field(2, description="encoder layers")
    heads: PositiveInt = Field(4, description="attention heads; embedding_dim must be a multiple of it")
    feedforward: PositiveInt = Field(128, description="hidden units between two attentions")


class TextTransformer(ModelPlugin):
    summary = "a transformer encoder of two layers, the mean of its last vectors, a linear layer"
    paper = "Vaswani et al., Attention Is All You Need, NeurIPS 2017"
    Options = TextTransformerOptions
    options: TextTransformerOptions
    example_spec = EXAMPLE

    def build(self, spec: InputSpec) -> nn.Module:
        shape = text_shape(spec, "text-transformer", self.options)
        if shape.dim % self.options.heads:
            raise InputError(
                f"model text-transformer: embedding_dim = {shape.dim} is not a multiple of heads = {self.options.heads}"
            )
        return TextTransformerModule(shape, spec.classes, self.options)


class TextTransformerModule(nn.Module):
    """Logits [N, classes] of texts: tokens [N, L] or their vectors [N, L, D]."""

    def __init__(self, shape: TextShape, classes: int, options: TextTransformerOptions) -> None:
        super().__init__()
        self.embedding = shape.embedding(options.train_embedding)
        self.positions = nn.Parameter(0.1 * torch.randn(shape.length, shape.dim))
        self.layers = nn.ModuleList(EncoderLayer(shape.dim, options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(shape.dim)
        self.output = nn.Linear(shape.dim, classes)

    def forward(self, texts: Tensor) -> Tensor:
        x = self.embedding(texts) + self.positions
        for layer in self.layers:
            x = layer(x)
        return self.output(self.norm(x).mean(dim=1))


class EncoderLayer(nn.Module):
    """Vectors [N, L, D] -> [N, L, D]."""

    def __init__(self, dim: int, options: TextTransformerOptions) -> None:
        super().__init__()
        self.heads = options.heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.mixed = nn.Linear(dim, dim)
        self.feedforward = nn.Sequential(
            nn.Linear(dim, options.feedforward), nn.GELU(), nn.Linear(options.feedforward, dim)
        )
        self.dropout = SeededDropout(options.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.mixed(self.attention(self.norm1(x))))
        return x + self.dropout(self.feedforward(self.norm2(x)))

    def attention(self, x: Tensor) -> Tensor:
        samples, length, dim = x.shape
        split = self.queries_keys_values(x).view(samples, length, 3, self.heads, -1)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(2, 3) / math.sqrt(dim / self.heads)
        return (scores.softmax(dim=3) @ values).transpose(1, 2).reshape(samples, length, dim)
