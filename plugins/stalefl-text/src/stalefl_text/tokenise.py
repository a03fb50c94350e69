"""Texts as token numbers, by Hugging Face's ``tokenizers``.

Token 0 is padding, token 1, ``<unk>``, all that is not in the vocabulary; the vocabulary is that of the training split.
Training draws nothing: the same texts give the same vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from stalefl.contracts import Options
from stalefl.training.token_layer import PADDING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN = 1
SPECIAL = ["<pad>", "<unk>"]
"""In the order of their numbers."""
assert SPECIAL.index("<pad>") == PADDING


class TextOptions(Options):
    tokenizer: Literal["words", "bpe"] = Field(
        "words", description="tokens are whole words and punctuation marks, or parts of words by byte-pair encoding"
    )
    vocabulary_size: int = Field(
        2000, ge=3, le=10_000_000, description="so many of the training split's commonest tokens, with <pad> and <unk>"
    )
    lowercase: bool = Field(True, description="read capitals as small letters")
    length: int = Field(24, ge=1, description="tokens of a text; longer ones are cut, shorter ones filled with <pad>")


@dataclass(frozen=True)
class Encoded:
    """``tokens`` int32 [N, L], and how many of the texts are cut, or hold no known token."""

    tokens: Tensor
    cut: int
    unknown: int


def trained_tokenizer(texts: Iterable[str], options: TextOptions) -> Tokenizer:
    """A tokenizer whose vocabulary is the commonest tokens of ``texts``."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    settings: dict[str, Any] = {
        "vocab_size": options.vocabulary_size,
        "special_tokens": SPECIAL,
        "show_progress": False,
    }
    whole = options.tokenizer == "words"
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>") if whole else models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace() if whole else pre_tokenizers.Metaspace()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *[normalizers.Lowercase()] * options.lowercase])
    trainer = trainers.WordLevelTrainer(**settings) if whole else trainers.BpeTrainer(**settings)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def vocabulary(tokenizer: Tokenizer) -> tuple[str, ...]:
    """What each token number stands for."""
    numbered = sorted((number, token) for token, number in tokenizer.get_vocab().items())
    return tuple(token for _, token in numbered)


def encoded(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> Encoded:
    """The first ``length`` tokens of every text, filled up with padding."""
    tokens = torch.full((len(texts), length), PADDING, dtype=torch.int32)
    cut = unknown = 0
    for row, encoding in zip(tokens, tokenizer.encode_batch(list(texts)), strict=True):
        kept = encoding.ids[:length]
        row[: len(kept)] = torch.tensor(kept, dtype=torch.int32)
        cut += len(encoding.ids) > length
        unknown += all(token == UNKNOWN for token in kept)
    return Encoded(tokens, cut, unknown)
