"""Checks of a model, on inputs that it takes."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from stalefl.contracts import InputError, InputSpec, LocalTraining, ModelPlugin
from stalefl.seeds import named_generator
from stalefl.testing.examples import EXAMPLE_IMAGES, EXAMPLE_SPEC, Parts, example_inputs
from stalefl.testing.findings import Check, Finding, assert_none_failed, created, findings
from stalefl.testing.plugins import check_description, check_options_are_validated, class_check
from stalefl.testing.trial import described
from stalefl.testing.watching import global_draws, same
from stalefl.training.dropout import SeededDropout, dropout_draws_from
from stalefl.training.embedding import as_vectors, token_table
from stalefl.training.local_update import local_update
from stalefl.training.model import build_flat_model

EXAMPLE_SPECS = (EXAMPLE_SPEC, *EXAMPLE_IMAGES)
INPUTS = 4
SEEDED = "the only layer that may draw is stalefl.training.dropout.SeededDropout"


def check_model(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> list[Finding]:
    """All checks of a model, on inputs of ``spec``: without one those of ``cls.example_spec``, else the first of
    ``EXAMPLE_SPECS`` that it takes. Gives what they found; raises AssertionError that lists those that failed."""
    return assert_none_failed(cls, findings(MODEL_CHECKS, cls, options, spec))


def check_it_builds(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> str:
    """``build`` gives a module with float32 parameters, or refuses an input spec with InputError."""
    (model, weights, _), _ = _example(cls, options, spec)
    assert isinstance(model.module, nn.Module), f"build gives {described(model.module)}; it must give an nn.Module"
    wrong = [name for name, p in model.module.named_parameters() if p.dtype != torch.float32]
    assert not wrong, f"parameters that are not float32: {', '.join(wrong)}"
    assert bool(weights.isfinite().all()), "initial weights are not finite"
    return ""


def check_initial_weights_are_named(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> str:
    """Initial weights follow from torch's default generator, as the caller sets it, and from nothing else."""
    _, spec = _example(cls, options, spec)
    drawn = list[str]()
    with global_draws(drawn):
        _, first, _ = _build(cls, options, spec)
        _, again, _ = _build(cls, options, spec)
    assert not drawn, f"build draws from {drawn[0]}; draw initial values from torch's default generator alone"
    assert same(first, again), "two builds with the same generator give other initial weights"
    return ""


def check_logits(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> str:
    """Inputs [N, *spec.shape] give finite float32 logits [N, spec.classes]."""
    parts, spec = _example(cls, options, spec)
    logits = _forward(parts, spec)
    right = isinstance(logits, Tensor) and logits.shape == (INPUTS, spec.classes) and logits.dtype == torch.float32
    assert right, f"{INPUTS} inputs give {described(logits)}; it must be a float32 tensor {[INPUTS, spec.classes]}"
    assert bool(logits.isfinite().all()), "logits are not finite"
    return ""


def check_evaluation_is_deterministic(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> str:
    """In evaluation mode the same inputs give the same logits, nothing is drawn and no buffer changes."""
    parts, spec = _example(cls, options, spec)
    drawn = list[str]()
    before = {name: buffer.clone() for name, buffer in parts[2].items()}
    with global_draws(drawn):
        first, again = _forward(parts, spec), _forward(parts, spec)
    assert not drawn, f"evaluation draws from {drawn[0]}"
    assert same(first, again), "evaluated twice, the same inputs give other logits"
    changed = [name for name, buffer in parts[2].items() if not same(buffer, before[name])]
    assert not changed, f"evaluation changes the buffer {changed[0]}"
    return ""


def check_weights_are_those_given(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> str:
    """Under torch.func.functional_call, as stalefl calls it, the module computes with the weights it is given, as it
    does when they are loaded into it."""
    (model, weights, buffers), spec = _example(cls, options, spec)
    other = weights + 0.01
    given = _forward((model, other, buffers), spec)
    loaded = copy.deepcopy(model.module).eval()
    loaded.load_state_dict(model.layout.to_named(other), strict=False)
    with torch.no_grad():
        expected = loaded(model.inputs(example_inputs(spec, INPUTS)))
    close = torch.allclose(given, expected, rtol=1e-4, atol=1e-5)
    assert not same(given, _forward((model, weights, buffers), spec)), "the logits stay the same whatever the weights"
    assert close, "functional_call with other weights gives other logits than a module that holds them"
    return ""


def check_training_draws_from_its_generator(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> str:
    """In training mode dropout is ``SeededDropout`` alone: no layer draws from a global random state."""
    (model, weights, buffers), spec = _example(cls, options, spec)
    drawn = list[str]()
    with global_draws(drawn), torch.no_grad(), dropout_draws_from(named_generator(0, "conformance-dropout")):
        own = {name: buffer.clone() for name, buffer in buffers.items()}
        model.logits(model.parameters(weights), own, model.inputs(example_inputs(spec, INPUTS)), train=True)
    layers = [f"{type(layer).__name__} {name}" for name, layer in model.module.named_modules() if _drops(layer)]
    assert not drawn, f"training draws from {drawn[0]} ({', '.join(layers) or 'in forward'}); {SEEDED}"
    return ""


def check_training_is_differentiable(
    cls: type[ModelPlugin], options: Mapping[str, Any] | None = None, spec: InputSpec | None = None
) -> str:
    """An update can be differentiated with respect to the inputs, tokens as their vectors, through two steps of local
    training, as the inversion does; every parameter takes part."""
    (model, weights, buffers), spec = _example(cls, options, spec)
    inputs = as_vectors(example_inputs(spec, INPUTS), token_table(model, weights, buffers))
    inputs, targets = inputs.detach().requires_grad_(), torch.arange(INPUTS) % spec.classes
    training = LocalTraining(local_epochs=2, lr=0.05)
    delta = local_update(model, weights, buffers, inputs, targets, training, create_graph=True).delta
    (gradient,) = torch.autograd.grad(delta.square().sum(), inputs)
    assert bool(gradient.isfinite().all()), "the gradient with respect to the inputs is not finite"
    assert bool(gradient.any()), "the update does not depend on the inputs: their gradient is 0"
    return ""


MODEL_CHECKS: Sequence[Check] = (
    class_check("model"),
    check_description,
    check_options_are_validated,
    check_it_builds,
    check_initial_weights_are_named,
    check_logits,
    check_evaluation_is_deterministic,
    check_weights_are_those_given,
    check_training_draws_from_its_generator,
    check_training_is_differentiable,
)


def _drops(layer: nn.Module) -> bool:
    return "Dropout" in type(layer).__name__ and not isinstance(layer, SeededDropout)


def _example(cls: Any, options: Mapping[str, Any] | None, spec: InputSpec | None) -> tuple[Parts, InputSpec]:
    """The model, built once for all checks that ask, and the inputs that it was built for."""
    return _built(cls, json.dumps(options or {}, sort_keys=True, default=str), spec)


@lru_cache(maxsize=1)
def _built(cls: type[Any], options: str, spec: InputSpec | None) -> tuple[Parts, InputSpec]:
    """Raises InputError if the model takes no inputs that there are."""
    refusals = []
    for candidate in [each for each in (spec or cls.example_spec,) if each] or EXAMPLE_SPECS:
        try:
            return _build(cls, json.loads(options), candidate), candidate
        except InputError as error:
            refusals.append(f"{list(candidate.shape)}: {error}")
    raise InputError(f"it takes no example inputs ({'; '.join(refusals)}); set example_spec in the class")


def _build(cls: type[ModelPlugin], options: Mapping[str, Any] | None, spec: InputSpec) -> Parts:
    return build_flat_model(created(cls, options or {}), spec, named_generator(0, "initial-weights"))


def example_parameters(cls: type[ModelPlugin]) -> tuple[dict[str, tuple[int, ...]], InputSpec]:
    """Names and shapes of a model's parameters, in order, for the inputs it is checked with. Raises InputError if it
    takes none of them."""
    (model, _, _), spec = _example(cls, None, None)
    return dict(zip(model.layout.names, model.layout.shapes, strict=True)), spec


def _forward(parts: Parts, spec: InputSpec) -> Tensor:
    model, weights, buffers = parts
    return model.forward(weights, buffers, example_inputs(spec, INPUTS))
