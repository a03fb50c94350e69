"""What every built-in model must give: registered under its name, described, and trainable through local_update."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

from stalefl.builtins.plugin import stalefl_models
from stalefl.contracts import InputSpec, LocalTraining, ModelPlugin
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model

SPEC = InputSpec((3, 16, 16), 4, ((0.0,) * 3, (1.0,) * 3))


def load(target: str) -> type[ModelPlugin]:
    module, name = target.split(":")
    return getattr(import_module(module), name)


MODELS = [pytest.param(load(str(entry.target)), id=entry.name) for entry in stalefl_models()]


def build(plugin: type[ModelPlugin]):
    return build_flat_model(plugin(plugin.Options()), SPEC, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("plugin", MODELS)
def test_each_describes_itself_and_its_options(plugin: type[ModelPlugin]) -> None:
    assert plugin.summary
    assert all(field.description for field in plugin.Options.model_fields.values())


@pytest.mark.parametrize("plugin", MODELS)
def test_initial_weights_are_named_by_the_generator(plugin: type[ModelPlugin]) -> None:
    torch.manual_seed(1)
    _, once, _ = build(plugin)
    torch.manual_seed(2)
    _, again, _ = build(plugin)
    assert torch.equal(once, again)


@pytest.mark.parametrize("plugin", MODELS)
def test_inputs_are_differentiable_through_local_training(plugin: type[ModelPlugin]) -> None:
    model, weights, buffers = build(plugin)
    inputs = torch.rand(4, *SPEC.shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    training = LocalTraining(local_epochs=2, lr=0.05, momentum=0.5)
    delta = local_update(model, weights, buffers, inputs, torch.arange(4), training, create_graph=True).delta
    (gradient,) = torch.autograd.grad(delta.square().sum(), inputs)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
