"""What the models of texts have in common: their options, and the inputs they take."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field, PositiveInt

from stalefl.contracts import InputError, InputSpec, Options
from stalefl.training.token_layer import TokenEmbedding

EXAMPLE = InputSpec(
    shape=(9,),
    classes=3,
    value_range=((0.0,) * 9, (19.0,) * 9),
    space="tokens",
    tokens=("<pad>", "<unk>", *(f"word{i}" for i in range(18))),
)
"""Nine tokens of twenty, three classes."""


class TextModelOptions(Options):
    embedding_dim: PositiveInt = Field(64, description="numbers in the vector that stands for a token")
    train_embedding: bool = Field(
        False,
        description="let clients train the tokens' vectors, whose rows in an update then name the client's tokens",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a feature; 0 = no dropout")


class TextShape(NamedTuple):
    """``tokens`` V, ``length`` L and ``dim`` D of a text [L] of V different tokens, as vectors [L, D]."""

    tokens: int
    length: int
    dim: int

    def embedding(self, trained: bool) -> TokenEmbedding:
        return TokenEmbedding(self.tokens, self.dim, trained)


def text_shape(spec: InputSpec, model: str, options: TextModelOptions) -> TextShape:
    """The shape of a data set's texts; where these are vectors already, D is theirs. Raises InputError for inputs that
    are no texts."""
    if spec.space == "tokens" and len(spec.shape) == 1:
        return TextShape(len(spec.tokens), spec.shape[0], options.embedding_dim)
    if spec.space == "embedding" and len(spec.shape) == 2:
        return TextShape(len(spec.tokens), *spec.shape)
    raise InputError(
        f"model {model} reads texts, but the data set's inputs are {spec.space} of shape {spec.shape}; valid: a data "
        "set of texts, such as template-sentences"
    )
