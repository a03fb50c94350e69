from __future__ import annotations

import torch
from torch import Tensor

from stalefl.contracts import InputSpec
from stalefl.inversion.core import Fit, Moments, Program, RecoveredData, fit_data, random_data
from stalefl.seeds import named_generator
from stalefl.training.local_update import LocalTraining, local_update
from tests.fixtures import SPEC, TRAINING, samples, tiny_mlp

MODEL, WEIGHTS, BUFFERS = tiny_mlp()
PROGRAM = Program.of_client(MODEL, TRAINING, BUFFERS, samples=12)
CPU = torch.device("cpu")


def real_update() -> Tensor:
    return local_update(MODEL, WEIGHTS, BUFFERS, *samples(12), TRAINING).delta


def start(seed: int = 0) -> RecoveredData:
    return random_data(SPEC, 8, named_generator(seed, "inversion"), CPU)


def fit(delta: Tensor, iterations: int = 40, data: RecoveredData | None = None, learning_rate: float = 0.1) -> Fit:
    return fit_data(PROGRAM, WEIGHTS, delta, SPEC, data or start(), iterations=iterations, learning_rate=learning_rate)


def test_the_program_makes_as_many_steps_as_the_client_each_on_all_samples() -> None:
    mini_batches = LocalTraining(local_epochs=3, batch_size=4, lr=0.1)
    program = Program.of_client(MODEL, mini_batches, BUFFERS, samples=10)
    assert program.steps == 9
    inputs, targets = samples(5)
    expected = local_update(MODEL, WEIGHTS, BUFFERS, inputs, targets, LocalTraining(local_epochs=9, lr=0.1)).delta
    assert torch.equal(program.run(WEIGHTS, inputs, targets), expected)


def test_fitting_a_clients_update_explains_nine_tenths_of_it() -> None:
    found = fit(real_update())
    assert found.iterations == len(found.losses) == 40
    assert found.losses[-1] < 0.1 * found.losses[0]
    residual = PROGRAM.train_on(found.data, WEIGHTS) - real_update()
    assert residual.square().sum() < 0.1 * real_update().square().sum()


def test_the_loss_is_the_relative_squared_distance() -> None:
    first = fit(real_update(), iterations=1).losses[0]
    distance = (PROGRAM.train_on(start(), WEIGHTS) - real_update()).square().sum() / real_update().square().sum()
    assert torch.isclose(torch.tensor(first), distance)


def test_inputs_stay_within_the_value_range_per_channel() -> None:
    spec = InputSpec((2, 3, 3), 4, ((-1.0, 5.0), (1.0, 6.0)))
    data = random_data(spec, 50, named_generator(0, "inversion"), CPU)
    first, second = data.inputs[:, 0], data.inputs[:, 1]
    assert -1 <= first.min() < -0.9
    assert 0.9 < first.max() <= 1
    assert 5 <= second.min() < 5.1
    assert 5.9 < second.max() <= 6
    fitted = fit(real_update(), learning_rate=1.0, iterations=10).data
    assert fitted.inputs.min() == -1
    assert fitted.inputs.max() == 1


def test_labels_are_probabilities() -> None:
    labels = fit(real_update(), iterations=10).data.labels
    assert labels.shape == (8, 3)
    assert torch.allclose(labels.sum(dim=1), torch.ones(8))
    assert labels.min() > 0


def test_the_generator_alone_decides_the_start() -> None:
    torch.manual_seed(1)
    first = start()
    torch.manual_seed(2)
    assert torch.equal(start().inputs, first.inputs)
    assert torch.equal(start().label_logits, first.label_logits)
    assert not torch.equal(start(seed=1).inputs, first.inputs)


def test_the_same_start_gives_the_same_data_bit_for_bit() -> None:
    one, other = fit(real_update(), 10), fit(real_update(), 10)
    assert one.losses == other.losses
    assert torch.equal(one.data.inputs, other.data.inputs)


def test_arguments_stay_as_they_are() -> None:
    data, delta = start(), real_update()
    given = [data.inputs, data.label_logits, delta, WEIGHTS]
    before = [tensor.clone() for tensor in given]
    found = fit(delta, 5, data)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
    assert not any(tensor.requires_grad for tensor in [*given, found.data.inputs, found.data.label_logits])


def test_an_update_of_zero_has_nothing_to_recover() -> None:
    data = start()
    assert fit(torch.zeros_like(WEIGHTS), data=data) == Fit(data, ())


def test_a_fit_goes_on_from_where_another_ended() -> None:
    first = fit(real_update(), 40)
    assert fit(real_update(), 1, first.data).losses[0] < 0.2 * first.losses[0]


def test_our_adam_takes_the_steps_of_torch():
    gradients = [torch.tensor([0.5, -2.0]), torch.tensor([-0.1, 3.0]), torch.tensor([0.2, 0.0])]
    reference = torch.tensor([1.0, -1.0], requires_grad=True)
    optimiser = torch.optim.Adam([reference], lr=0.1)
    ours, moments = torch.tensor([1.0, -1.0]), Moments.zero(torch.zeros(2))
    for iteration, gradient in enumerate(gradients, start=1):
        reference.grad = gradient.clone()
        optimiser.step()
        step, moments = moments.step(gradient, iteration)
        ours = ours - 0.1 * step
    torch.testing.assert_close(ours, reference.detach())
