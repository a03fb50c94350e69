from __future__ import annotations

import torch
from torch import nn

from stalefl.registry import load_registry
from tests.fixtures import model_of, samples, tiny_mlp
from tests.leakage.exposures import exposed, same_inputs

ATTACK = load_registry().create("attack", "label-counts")


def test_the_labels_are_one_row_per_sample() -> None:
    leak = ATTACK.attack(exposed(model_of(nn.Linear(4, 3)), same_inputs([2, 0, 2])), lambda share: None)
    assert leak.labels.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert leak.labels.dtype == torch.float32
    assert leak.inputs is None
    assert leak.loss == 0


def test_it_is_unfit_where_there_is_no_such_layer() -> None:
    parts = model_of(nn.Unflatten(1, (4, 1)), nn.Conv1d(4, 3, 1), nn.Flatten())
    assert ATTACK.unfit(exposed(parts, samples(4))) == "the model has no linear layer with one output per class"
    assert ATTACK.unfit(exposed(tiny_mlp(), samples(4))) == ""


def test_nothing_is_drawn_where_the_layer_has_a_bias() -> None:
    exposure = exposed(tiny_mlp(), samples(8))
    before = exposure.generator.get_state()
    ATTACK.attack(exposure, lambda share: None)
    assert torch.equal(exposure.generator.get_state(), before)
    assert not ATTACK.draws
