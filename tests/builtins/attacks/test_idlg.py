from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from stalefl.builtins.attacks.idlg import Idlg
from stalefl.contracts import InputSpec, ModelPlugin
from stalefl.leakage.label_shares import known_labels
from tests.builtins.attacks.exposures import Convolution, Smooth, exposure, images, worst_error


class WithoutLinear(ModelPlugin):
    def build(self, spec: InputSpec) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class WithoutBias(ModelPlugin):
    def build(self, spec: InputSpec) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3, bias=False))


@pytest.mark.parametrize("model", [Smooth, Convolution, WithoutBias])
@pytest.mark.parametrize("defence", ["none", "sparsify=0.9", "noise=1e-4"])
def test_the_label_is_read_off(model: type[ModelPlugin], defence: str) -> None:
    label = known_labels(exposure(model=model, defence=defence))
    assert label is not None
    assert label.tolist() == [[0.0, 1.0, 0.0]]


def test_the_input_is_recovered() -> None:
    leak = Idlg(Idlg.Options()).attack(exposure(), lambda share: None)
    assert worst_error(leak.inputs, images(1)[0]) < 1e-3
    assert leak.labels.tolist() == [[0.0, 1.0, 0.0]]


def test_without_a_last_linear_layer_the_label_is_searched_for() -> None:
    exposed = exposure(model=WithoutLinear)
    assert known_labels(exposed) is None
    leak = Idlg(Idlg.Options(iterations=7)).attack(exposed, lambda share: None)
    assert leak.labels.max() < 1
    assert torch.isfinite(leak.labels).all()


def test_several_samples_are_too_many() -> None:
    exposed = replace(exposure(), samples=3)
    assert "3 samples" in Idlg(Idlg.Options()).unfit(exposed)
