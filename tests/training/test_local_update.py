from __future__ import annotations

import copy
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from stalefl.contracts import LocalTraining
from stalefl.seeds import named_generator
from stalefl.training.local_update import batch_plan, functional_update, local_update
from tests.fixtures import Parts, batch_norm_model, dropout_model, model_of, samples, tiny_mlp

PROGRAMS = [
    LocalTraining(local_epochs=4, lr=0.1),
    LocalTraining(local_epochs=4, lr=0.1, momentum=0.9),
    LocalTraining(local_epochs=4, lr=0.1, weight_decay=0.1),
    LocalTraining(local_epochs=4, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    LocalTraining(local_epochs=3, lr=0.1, momentum=0.5, batch_size=4),
    LocalTraining(local_epochs=4, lr=0.05, optimizer="adam"),
    LocalTraining(local_epochs=3, lr=0.05, optimizer="adam", weight_decay=0.1, batch_size=4),
    LocalTraining(local_epochs=3, lr=0.1, proximal_mu=0.5),
    LocalTraining(local_epochs=3, lr=0.1, momentum=0.9, weight_decay=0.1, batch_size=4, proximal_mu=0.5),
    LocalTraining(local_epochs=3, lr=0.05, optimizer="adam", batch_size=4, proximal_mu=0.5),
]
NAMES = [
    "plain",
    "momentum",
    "decay",
    "nesterov",
    "mini-batches",
    "adam",
    "adam-mini-batches",
    "fedprox",
    "fedprox-mini-batches",
    "fedprox-adam",
]


def generator() -> torch.Generator:
    return named_generator(0, "local-training")


def trained_by_torch(parts: Parts, inputs: Tensor, targets: Tensor, training: LocalTraining) -> tuple[Tensor, Any]:
    """The delta and the module after the same batches with torch.optim, FedProx's penalty being part of the loss."""
    model, weights, buffers = parts
    module = copy.deepcopy(model.module)
    module.load_state_dict({**model.layout.to_named(weights), **buffers})
    module.train()
    optimiser = torch_optimiser(module, training)
    for batch in batch_plan(training, len(inputs), generator()):
        x, y = (inputs, targets) if batch is None else (inputs[batch], targets[batch])
        optimiser.zero_grad()
        moved = model.layout.join(list(module.parameters())) - weights
        (cross_entropy(module(x), y) + training.proximal_mu / 2 * moved.square().sum()).backward()
        optimiser.step()
    return model.layout.join([p.detach() for p in module.parameters()]) - weights, module


def torch_optimiser(module: nn.Module, training: LocalTraining) -> torch.optim.Optimizer:
    if training.optimizer == "adam":
        return torch.optim.Adam(module.parameters(), lr=training.lr, weight_decay=training.weight_decay)
    return torch.optim.SGD(
        module.parameters(),
        lr=training.lr,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=training.nesterov,
    )


@pytest.mark.parametrize(
    ("momentum", "nesterov", "reach"),
    # Three steps along a gradient of 1: velocities 1, 1.5 and 1.75; with Nesterov's look ahead 1.5, 1.75 and 1.875.
    [(0.0, False, 3.0), (0.5, False, 4.25), (0.5, True, 5.125)],
)
def test_reach(momentum: float, nesterov: bool, reach: float) -> None:
    training = LocalTraining(local_epochs=5, lr=0.1, momentum=momentum, nesterov=nesterov)
    assert training.reach(3) == pytest.approx(0.1 * reach)


@pytest.mark.parametrize("training", PROGRAMS, ids=NAMES)
def test_equals_torch_after_every_number_of_epochs(training: LocalTraining) -> None:
    parts = tiny_mlp()
    inputs, targets = samples(10)
    for epochs in range(1, training.local_epochs + 1):
        so_far = replace(training, local_epochs=epochs)
        expected, _ = trained_by_torch(parts, inputs, targets, so_far)
        result = local_update(*parts, inputs, targets, so_far, generator())
        assert expected.abs().max() > 1e-2
        assert torch.allclose(result.delta, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("training", [PROGRAMS[4], PROGRAMS[6], PROGRAMS[8]], ids=["sgd", "adam", "fedprox"])
def test_equals_torch_for_convolutions_and_batch_norm(training: LocalTraining) -> None:
    # Without a bias before the batch norm: its gradient is rounding, and Adam makes whole steps of that.
    parts = model_of(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 9, 3))
    inputs = torch.rand(7, 2, 5, 5, generator=generator())
    targets = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    expected, module = trained_by_torch(parts, inputs, targets, training)
    result = local_update(*parts, inputs, targets, training, generator())
    assert torch.allclose(result.delta, expected, rtol=0, atol=1e-6)
    for name, value in module.named_buffers():
        assert torch.allclose(result.buffers[name], value, rtol=0, atol=1e-6)


def test_one_step_by_hand() -> None:
    """Zero weights give a softmax of 1/3 each: the gradient of a bias is 1/3 - share of its class."""
    model, weights, _ = model_of(nn.Linear(4, 3))
    inputs, targets = torch.zeros(2, 4), torch.tensor([0, 1])
    delta = local_update(model, 0 * weights, {}, inputs, targets, LocalTraining(local_epochs=1, lr=0.6)).delta
    assert delta[-3:].tolist() == pytest.approx([0.1, 0.1, -0.2])
    assert not delta[:-3].any()


def test_the_first_step_of_adam_is_as_long_as_lr_whatever_the_gradient() -> None:
    model, weights, _ = model_of(nn.Linear(4, 3))
    inputs, targets = torch.zeros(2, 4), torch.tensor([0, 1])
    training = LocalTraining(local_epochs=1, lr=0.6, optimizer="adam")
    delta = local_update(model, 0 * weights, {}, inputs, targets, training).delta
    assert delta[-3:].tolist() == pytest.approx([0.6, 0.6, -0.6])
    assert not delta[:-3].any()


def test_adam_uses_neither_momentum_nor_nesterov() -> None:
    parts = tiny_mlp()
    plain, momentum = PROGRAMS[5], replace(PROGRAMS[5], momentum=0.8, nesterov=True)
    found = [local_update(*parts, *samples(10), training).delta for training in (plain, momentum)]
    assert torch.equal(*found)
    assert momentum.path_length(10) == plain.path_length(10)


def test_the_proximal_term_draws_back_to_the_start_from_the_second_step_on() -> None:
    """The first step is g; mu (w - w_start) is then mu * -lr g, which 1 / lr undoes in the second."""
    model, weights, _ = model_of(nn.Linear(4, 3))
    inputs, targets = samples(10)
    first, plain, drawn = (
        local_update(model, weights, {}, inputs, targets, training).delta
        for training in (
            LocalTraining(local_epochs=1, lr=0.1),
            LocalTraining(local_epochs=2, lr=0.1),
            LocalTraining(local_epochs=2, lr=0.1, proximal_mu=10.0),
        )
    )
    assert torch.equal(
        local_update(
            model, weights, {}, inputs, targets, LocalTraining(local_epochs=1, lr=0.1, proximal_mu=10.0)
        ).delta,
        first,
    )
    assert torch.allclose(drawn, plain - first, atol=1e-6)


def test_the_global_random_state_neither_matters_nor_changes() -> None:
    parts = dropout_model()
    training = LocalTraining(local_epochs=2, lr=0.1, batch_size=4)
    torch.manual_seed(1)
    first = local_update(*parts, *samples(10), training, generator()).delta
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(local_update(*parts, *samples(10), training, generator()).delta, first)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_generator_draws_the_dropout_masks_and_without_one_there_are_none() -> None:
    model, weights, _ = parts = dropout_model()
    training = LocalTraining(local_epochs=1, lr=0.1)
    plain = local_update(*parts, *samples(10), training).delta
    first, other = (
        local_update(*parts, *samples(10), training, named_generator(seed, "local-training")).delta for seed in (0, 1)
    )
    assert not torch.equal(first, plain)
    assert not torch.equal(first, other)
    expected = torch.autograd.grad(
        cross_entropy(
            functional_call(model.module.eval(), named := leaves(model, weights), samples(10)[0]), samples(10)[1]
        ),
        list(named.values()),
    )
    assert torch.allclose(plain, -0.1 * model.layout.join(expected), atol=1e-6)


def leaves(model: Any, weights: Tensor) -> dict[str, Tensor]:
    return {name: p.clone().requires_grad_() for name, p in model.layout.to_named(weights).items()}


@pytest.mark.parametrize("create_graph", [False, True])
def test_arguments_stay_as_they_are(create_graph: bool) -> None:
    model, weights, buffers = batch_norm_model()
    inputs, targets = samples(10)
    given = [weights, inputs, targets, *buffers.values()]
    before = [tensor.clone() for tensor in given]
    result = local_update(model, weights, buffers, inputs, targets, PROGRAMS[1], generator(), create_graph=create_graph)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
    assert not any(tensor.requires_grad for tensor in given)
    assert result.buffers["1.num_batches_tracked"] == 4
    assert not torch.equal(result.buffers["1.running_mean"], buffers["1.running_mean"])


def test_without_a_graph_the_delta_has_none_and_equals_that_with_one() -> None:
    parts = tiny_mlp()
    inputs, targets = samples(10)
    plain = local_update(*parts, inputs, targets, PROGRAMS[3]).delta
    graphed = local_update(*parts, inputs.requires_grad_(), targets, PROGRAMS[3], create_graph=True).delta
    assert not plain.requires_grad
    assert graphed.requires_grad
    assert torch.equal(graphed.detach(), plain)


def test_soft_labels_of_one_class_equal_its_index() -> None:
    parts = tiny_mlp()
    inputs, targets = samples(10)
    hard = local_update(*parts, inputs, targets, PROGRAMS[1]).delta
    soft = local_update(*parts, inputs, nn.functional.one_hot(targets, 3).float(), PROGRAMS[1]).delta
    assert torch.allclose(soft, hard, atol=1e-6)


@pytest.mark.parametrize("training", PROGRAMS[3:], ids=NAMES[3:])
def test_gradient_through_all_steps_equals_finite_differences(training: LocalTraining) -> None:
    """In float64, along a random direction in inputs and label logits together."""
    model, weights, _ = model_of(nn.Linear(4, 5).double(), nn.Tanh(), nn.Linear(5, 3).double())
    random = generator()
    inputs, logits, towards_inputs, towards_logits, probe = (
        torch.randn(shape, generator=random, dtype=torch.float64) for shape in [(6, 4), (6, 3), (6, 4), (6, 3), 43]
    )
    assert weights.shape == (43,)

    def value(step: float, create_graph: bool = False) -> tuple[Tensor, list[Tensor]]:
        x = (inputs + step * towards_inputs).requires_grad_(create_graph)
        z = (logits + step * towards_logits).requires_grad_(create_graph)
        result = local_update(
            model, weights, {}, x, z.softmax(dim=1), training, named_generator(1, "order"), create_graph=create_graph
        )
        return result.delta @ probe, [x, z]

    output, arguments = value(0.0, create_graph=True)
    by_inputs, by_logits = torch.autograd.grad(output, arguments)
    slope = (by_inputs * towards_inputs).sum() + (by_logits * towards_logits).sum()
    measured = (value(1e-5)[0] - value(-1e-5)[0]) / 2e-5
    assert slope.abs() > 1e-3
    assert slope.item() == pytest.approx(measured.item(), rel=1e-6)


@pytest.mark.parametrize("training", PROGRAMS, ids=NAMES)
def test_units_that_never_fire_stay_as_they_are_and_leave_the_gradient_finite(training: LocalTraining) -> None:
    """Their second moment is 0, where a square root has no derivative."""
    model, weights, _ = tiny_mlp()
    training = replace(training, weight_decay=0.0)
    w = model.layout.to_named(weights.clone())
    first_layer, second_layer = list(w)[:2], list(w)[2]
    w[first_layer[1]][:3] = -100.0
    weights = model.layout.from_named(w)
    inputs, targets = samples(10)
    expected, _ = trained_by_torch((model, weights, {}), inputs, targets, training)
    inputs.requires_grad_()
    delta = local_update(model, weights, {}, inputs, targets, training, generator(), create_graph=True).delta
    (gradient,) = torch.autograd.grad(delta.norm(), inputs)
    assert torch.allclose(delta, expected, rtol=0, atol=1e-6)
    moved = model.layout.to_named(delta.detach())
    assert all(not moved[name][:3].any() and moved[name][3:].all() for name in first_layer)
    assert not moved[second_layer][:, :3].any()
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 1e-3


def test_every_epoch_of_the_plan_visits_all_samples_once() -> None:
    training = LocalTraining(local_epochs=2, batch_size=4, lr=0.01)
    plan = [batch.tolist() for batch in batch_plan(training, 10, generator()) if batch is not None]
    assert [len(batch) for batch in plan] == [4, 4, 2, 4, 4, 2]
    epochs = [list(chain(*plan[:3])), list(chain(*plan[3:]))]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(
    ("batch_size", "samples", "steps"), [(0, 10, 3), (4, 10, 9), (5, 10, 6), (10, 10, 3), (64, 10, 3), (1, 2, 6)]
)
def test_steps_are_as_many_as_the_plan_has_batches(batch_size: int, samples: int, steps: int) -> None:
    training = LocalTraining(local_epochs=3, batch_size=batch_size, lr=0.01)
    assert training.steps(samples) == steps == len(batch_plan(training, samples, generator()))


def test_a_given_plan_replaces_the_drawn_one() -> None:
    parts = tiny_mlp()
    inputs, targets = samples(10)
    part = torch.tensor([1, 3])
    planned = local_update(*parts, inputs, targets, PROGRAMS[0], plan=[part]).delta
    alone = local_update(*parts, inputs[part], targets[part], LocalTraining(local_epochs=1, lr=0.1)).delta
    assert torch.equal(planned, alone)


@pytest.mark.parametrize(
    ("training", "length"),
    [
        (LocalTraining(local_epochs=5, batch_size=4, lr=0.1), 0.1 * 10),
        (LocalTraining(local_epochs=5, batch_size=4, lr=0.1, momentum=0.5), 0.1 * 10 / 0.5),
        (LocalTraining(local_epochs=5, batch_size=4, lr=0.1, momentum=0.5, optimizer="adam"), 0.1 * 10),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_path_length(training: LocalTraining, length: float) -> None:
    assert training.path_length(8) == pytest.approx(length)


# --- in torch.func's terms ------------------------------------------------------------------------------------------

FULL_BATCH = {
    "plain": LocalTraining(local_epochs=4, lr=0.1),
    "nesterov and decay": LocalTraining(local_epochs=4, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "proximal": LocalTraining(local_epochs=4, lr=0.1, proximal_mu=0.5),
    "adam": LocalTraining(local_epochs=4, lr=0.01, optimizer="adam"),
}


@pytest.mark.parametrize("parts", [tiny_mlp(), batch_norm_model()], ids=["mlp", "batch norm"])
@pytest.mark.parametrize("training", FULL_BATCH.values(), ids=FULL_BATCH)
def test_a_functional_update_is_a_local_update_with_full_batches(parts: Parts, training: LocalTraining) -> None:
    model, weights, buffers = parts
    before = {name: b.clone() for name, b in buffers.items()}
    inputs, targets = samples(10)
    expected = local_update(model, weights, buffers, inputs, targets, training).delta
    got = functional_update(model, weights, buffers, inputs, targets, training, steps=4)
    # Adam makes full steps of a gradient that is rounding noise (a bias before batch norm): compare what is not noise.
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-3 if training.optimizer == "adam" else 1e-6)
    assert all(torch.equal(buffers[name], before[name]) for name in buffers)


def test_under_vmap_a_functional_update_trains_every_client_on_its_own() -> None:
    model, weights, buffers = tiny_mlp()
    clients = [samples(10, seed) for seed in range(3)]
    training = FULL_BATCH["plain"]
    inputs, targets = torch.stack([x for x, _ in clients]), torch.stack([y for _, y in clients])

    def update(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional_update(model, weights, buffers, x, y, training, steps=4)

    together = torch.func.vmap(update)(inputs, targets)
    for delta, (x, y) in zip(together, clients, strict=True):
        torch.testing.assert_close(delta, local_update(model, weights, buffers, x, y, training).delta)
