from __future__ import annotations

import pytest
import torch
from stalefl_text.models.bilstm import BiLstm, BothDirections
from stalefl_text.models.inputs import EXAMPLE
from stalefl_text.models.textcnn import TextCnn, TextCnnOptions
from stalefl_text.models.transformer import TextTransformer, TextTransformerOptions

from stalefl.contracts import InputError, InputSpec, LocalTraining, ModelPlugin
from stalefl.inversion.batch import fit_batch
from stalefl.inversion.d_rec import random_data
from stalefl.inversion.fit import FitSettings, Target, fit_data
from stalefl.inversion.program import Program
from stalefl.seeds import named_generator
from stalefl.testing import MODEL_CHECKS
from stalefl.training.embedding import optimised_spec, token_table
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model

MODELS = (TextCnn, BiLstm, TextTransformer)
IMAGES = InputSpec((1, 8, 8), 3, ((-1.0,), (1.0,)))


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("options", [{}, {"train_embedding": True, "dropout": 0.5, "embedding_dim": 8}])
def test_it_conforms(model: type[ModelPlugin], options: dict, check) -> None:
    check(model, options)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("trained", [False, True])
def test_the_inversion_explains_an_update(model: type[ModelPlugin], trained: bool) -> None:
    options = model.Options.model_validate({"embedding_dim": 8, "train_embedding": trained})
    flat, weights, buffers = build_flat_model(model(options), EXAMPLE, named_generator(0, "weights"))
    tokens = torch.randint(1, 20, (4, 9), generator=named_generator(0, "tokens")).float()
    training = LocalTraining(local_epochs=2, lr=0.1)
    delta = local_update(flat, weights, buffers, tokens, torch.arange(4) % 3, training).delta
    program = Program.of_client(flat, training, buffers, samples=4)
    spec = optimised_spec(EXAMPLE, token_table(flat, weights, buffers))
    start = random_data(spec, 4, named_generator(0, "start"), torch.device("cpu"))
    target, settings = Target(weights, delta), FitSettings(iterations=40, learning_rate=0.1)
    fit = fit_data(program, [target], spec, start, settings, named_generator(0, "fit"))
    assert fit.losses[-1] < 0.8 * fit.losses[0]
    together = fit_batch(program, [target] * 2, spec, [start] * 2, FitSettings(iterations=3))
    alone = fit_data(program, [target], spec, start, FitSettings(iterations=3), named_generator(0, "fit"))
    assert together[1].losses == pytest.approx(alone.losses, rel=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_images_are_refused(model: type[ModelPlugin]) -> None:
    with pytest.raises(InputError, match=r"reads texts, but the data set's inputs are pixels of shape \(1, 8, 8\)"):
        model(model.Options()).build(IMAGES)


def test_filters_that_are_wider_than_a_text_are_refused() -> None:
    with pytest.raises(InputError, match="filters over 10 tokens, the data set's texts have 9; valid: smaller widths"):
        TextCnn(TextCnnOptions(widths=(3, 10))).build(EXAMPLE)


def test_heads_must_share_the_vector_evenly() -> None:
    with pytest.raises(InputError, match="embedding_dim = 10 is not a multiple of heads = 4"):
        TextTransformer(TextTransformerOptions(embedding_dim=10)).build(EXAMPLE)


def test_both_directions_are_those_of_pytorchs_lstm() -> None:
    ours, theirs = BothDirections(3, 5), torch.nn.LSTM(3, 5, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for place, ending in enumerate(("", "_reverse")):
            getattr(theirs, f"weight_ih_l0{ending}").copy_(ours.from_input[place].T)
            getattr(theirs, f"weight_hh_l0{ending}").copy_(ours.from_state[place].T)
            getattr(theirs, f"bias_ih_l0{ending}").copy_(ours.bias[place, 0])
            getattr(theirs, f"bias_hh_l0{ending}").zero_()
        vectors = torch.randn(2, 7, 3, generator=named_generator(0, "vectors"))
        assert torch.allclose(ours(vectors), theirs(vectors)[0], atol=1e-6)


def test_a_model_for_vectors_has_the_same_parameters() -> None:
    model = TextCnn(TextCnnOptions(embedding_dim=8))
    vectors = optimised_spec(EXAMPLE, torch.zeros(20, 8))
    shapes = [[tuple(p.shape) for p in model.build(spec).parameters()] for spec in (EXAMPLE, vectors)]
    assert shapes[0] == shapes[1]
