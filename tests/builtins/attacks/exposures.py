"""Updates of small networks on small images, for the tests of attacks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stalefl.audit.defences import Defence
from stalefl.contracts import Exposure, InputSpec, LocalTraining, ModelPlugin, Options
from stalefl.seeds import named_generator
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model

SPEC = InputSpec(shape=(1, 4, 4), classes=3, value_range=((-1.0,), (2.0,)))
ONE_STEP = LocalTraining(local_epochs=1, lr=0.1)


class Smooth(ModelPlugin):
    """One linear layer of sigmoids, then the classes: an input's gradient tells all of it."""

    hidden = 24

    def build(self, spec: InputSpec) -> nn.Module:
        module = nn.Sequential(nn.Flatten(), nn.Linear(16, self.hidden), nn.Sigmoid(), nn.Linear(self.hidden, 3))
        for parameter in module.parameters():
            nn.init.uniform_(parameter, -0.5, 0.5)
        return module


class Convolution(ModelPlugin):
    """No layer sees a whole input."""

    def build(self, spec: InputSpec) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Sigmoid(), nn.Flatten(), nn.Linear(128, 3))


def images(count: int) -> tuple[Tensor, Tensor]:
    """Smooth ramps [count, 1, 4, 4] within the value range, and their classes [count]: 1, 2, 0, 1, ..."""
    ramp = torch.linspace(-0.8, 1.5, 16).view(1, 1, 4, 4)
    pictures = [ramp.roll(5 * i) if i % 2 == 0 else -ramp.roll(5 * i).clamp(max=1.0) for i in range(count)]
    return torch.cat(pictures), (torch.arange(count) + 1) % 3


def exposure(
    samples: int = 1,
    *,
    defence: str = "none",
    training: LocalTraining = ONE_STEP,
    model: type[ModelPlugin] = Smooth,
    seed: int = 0,
) -> Exposure:
    """What is sent of an update on ``images(samples)``."""
    flat, weights, buffers = build_flat_model(model(Options()), SPEC, named_generator(0, "initial-weights"))
    inputs, targets = images(samples)
    delta = local_update(flat, weights, buffers, inputs, targets, training).delta
    reach = training.reach(training.steps(samples))
    sent = Defence.parse(defence).apply(delta, reach, named_generator(0, "test-defence"))
    generator = named_generator(seed, "test-attack")
    return Exposure(sent.delta, sent.mask, weights, buffers, flat, training, samples, SPEC, generator)


def worst_error(found: Tensor | None, truth: Tensor) -> float:
    """The greatest error of any pixel, each true sample against the recovered one that is nearest to it."""
    assert found is not None
    errors = (found[:, None] - truth[None]).abs().flatten(2).amax(dim=2)
    return float(errors.amin(dim=0).max())
