from __future__ import annotations

import torch
from torch import nn

from stalefl.seeds import named_generator
from stalefl.training.model import build_flat_model
from tests.fixtures import SPEC, Sequential, batch_norm_model, model_of, samples, tiny_mlp


def test_initial_weights_depend_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = tiny_mlp(seed=0)[1]
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again, other = tiny_mlp(seed=0)[1], tiny_mlp(seed=1)[1]
    assert torch.equal(again, first)
    assert not torch.equal(other, first)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_generator_is_left_as_it_was() -> None:
    generator = named_generator(0, "initial-weights")
    before = generator.get_state()
    build_flat_model(Sequential(nn.Linear(4, 3)), SPEC, generator)
    assert torch.equal(generator.get_state(), before)


def test_forward_computes_with_the_given_weights() -> None:
    model, weights, _ = model_of(nn.Linear(4, 3))
    assert weights.shape == (15,)
    flat = torch.cat([torch.eye(3, 4).reshape(-1), torch.tensor([1.0, 2.0, 3.0])])
    logits = model.forward(flat, {}, torch.tensor([[10.0, 20.0, 30.0, 40.0]]))
    assert logits.tolist() == [[11, 22, 33]]


def test_forward_leaves_the_module_the_weights_and_the_buffers_alone() -> None:
    model, weights, buffers = batch_norm_model()
    parameters = [p.clone() for p in model.module.parameters()]
    kept = {name: b.clone() for name, b in buffers.items()}
    logits = model.forward(weights + 1, buffers, samples(8)[0])
    assert not logits.requires_grad
    assert all(torch.equal(p, q) for p, q in zip(parameters, model.module.parameters(), strict=True))
    assert all(torch.equal(buffers[name], b) for name, b in kept.items())


def test_evaluation_mode_uses_the_running_statistics_and_training_mode_changes_them() -> None:
    model, weights, buffers = model_of(nn.BatchNorm1d(4), nn.Linear(4, 3))
    inputs = samples(8)[0]
    shifted = {**buffers, "0.running_mean": torch.ones(4)}
    assert not torch.equal(model.forward(weights, buffers, inputs), model.forward(weights, shifted, inputs))
    copy = {name: b.clone() for name, b in buffers.items()}
    model.logits(model.parameters(weights), copy, inputs, train=True)
    assert torch.allclose(copy["0.running_mean"], 0.1 * inputs.mean(dim=0))


def test_convolution_kernels_and_images_are_channels_last() -> None:
    model, weights, _ = model_of(nn.Conv2d(3, 2, 3))
    kernel, bias = model.parameters(weights)
    images = model.inputs(torch.zeros(2, 3, 5, 5))
    assert kernel.shape == (2, 3, 3, 3)
    assert bias.shape == (2,)
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(model.layout.join(model.parameters(weights)), weights)
