from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stalefl.contracts import Dataset, InputError, InputSpec, LocalTraining, ModelPlugin, Options, Split
from stalefl.seeds import named_generator
from stalefl.testing import check_model
from stalefl.training.embedding import as_vectors, optimised_spec, token_table, with_vectors
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model
from stalefl.training.token_layer import TokenEmbedding
from tests.fixtures import SPEC, Sequential, tiny_mlp

TEXTS = InputSpec((3,), 2, ((0.0,) * 3, (4.0,) * 3), "tokens", tokens=("<pad>", "<unk>", "who", "how", "why"))
TOKENS = torch.tensor([[2.0, 3.0, 0.0], [4.0, 4.0, 1.0]])
TABLE = torch.tensor([[0.0, 0.0], [1.0, -2.0], [3.0, 0.5], [0.0, 1.0], [2.0, 2.0]])
TRAINING = LocalTraining(local_epochs=5, lr=0.01)


class MeanOfWords(ModelPlugin):
    """A linear layer on the mean of the tokens' vectors."""

    summary = "the mean of the words"
    example_spec = TEXTS

    def __init__(self, options: Options, trained: bool = False) -> None:
        super().__init__(options)
        self.trained = trained

    def build(self, spec: InputSpec) -> nn.Module:
        return MeanOfWordsModule(TokenEmbedding(len(spec.tokens), 2, self.trained), spec.classes)


class MeanOfWordsModule(nn.Module):
    def __init__(self, embedding: TokenEmbedding, classes: int) -> None:
        super().__init__()
        self.embedding, self.output = embedding, nn.Linear(2, classes)

    def forward(self, texts: Tensor) -> Tensor:
        return self.output(self.embedding(texts).mean(dim=1))


def built(trained: bool = False):
    return build_flat_model(MeanOfWords(Options(), trained), TEXTS, named_generator(0, "test"))


def test_a_model_of_texts_conforms() -> None:
    check_model(MeanOfWords)


@pytest.mark.parametrize("trained", [False, True])
def test_tokens_and_their_vectors_give_the_same_logits(trained: bool) -> None:
    model, weights, buffers = built(trained)
    vectors = as_vectors(TOKENS, token_table(model, weights, buffers))
    assert vectors.shape == (2, 3, 2)
    assert torch.equal(model.forward(weights, buffers, vectors), model.forward(weights, buffers, TOKENS))


def test_the_vector_of_padding_is_0_and_training_leaves_it() -> None:
    model, weights, buffers = built(trained=True)
    trained = weights + local_update(model, weights, buffers, TOKENS, torch.tensor([0, 1]), TRAINING).delta
    before, after = token_table(model, weights, buffers), token_table(model, trained, buffers)
    assert before is not None
    assert after is not None
    assert after[0].tolist() == [0, 0]
    assert not torch.equal(after[1:], before[1:])


def test_vectors_leave_a_trained_table_alone() -> None:
    model, weights, buffers = built(trained=True)
    vectors = as_vectors(TOKENS, token_table(model, weights, buffers))
    delta = local_update(model, weights, buffers, vectors, torch.tensor([0, 1]), TRAINING).delta
    assert not model.layout.to_named(delta)["embedding.table"].any()
    assert model.layout.to_named(delta)["output.weight"].any()


def test_a_table_that_is_not_trained_is_no_parameter() -> None:
    model, weights, buffers = built()
    assert model.layout.names == ("output.weight", "output.bias")
    assert buffers["embedding.table"].shape == (5, 2)
    assert token_table(model, weights, buffers) is buffers["embedding.table"]


def test_methods_see_vectors_between_the_tables_bounds() -> None:
    seen = optimised_spec(TEXTS, TABLE)
    assert (seen.space, seen.shape, seen.classes, seen.tokens) == ("embedding", (3, 2), 2, TEXTS.tokens)
    assert seen.value_range == ((-2.0,) * 3, (3.0,) * 3)


def test_other_inputs_stay_as_they_are() -> None:
    model, weights, buffers = tiny_mlp()
    assert token_table(model, weights, buffers) is None
    assert optimised_spec(SPEC, None) is SPEC
    assert as_vectors(TOKENS, None) is TOKENS


def test_a_data_set_in_vectors() -> None:
    split = Split(TOKENS.to(torch.int32), torch.tensor([0, 1]), lambda raw: raw.float())
    seen = with_vectors(Dataset("texts", split, split, TEXTS), TABLE)
    assert seen.spec == optimised_spec(TEXTS, TABLE)
    assert seen.test.take([0])[0].tolist() == [[[3.0, 0.5], [0.0, 1.0], [0.0, 0.0]]]


def test_a_model_without_an_embedding_takes_no_tokens() -> None:
    with pytest.raises(InputError, match="which this model cannot embed; valid: a model of texts, as textcnn"):
        build_flat_model(Sequential(nn.Linear(3, 2)), TEXTS, named_generator(0, "test"))
