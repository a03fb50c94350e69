"""What the models need to know about a series' shape."""

from __future__ import annotations

from stalefl.contracts import InputError, InputSpec


def series_shape(spec: InputSpec, model: str, least_steps: int = 1) -> tuple[int, int]:
    """(channels, steps) of one input; InputError unless it is a series of at least ``least_steps`` steps."""
    if spec.space != "signal" or len(spec.shape) != 2:
        raise InputError(
            f"model {model} needs series (channels, steps), but the data set's inputs are {_in_words(spec)}; "
            "the model mlp takes any shape"
        )
    channels, steps = spec.shape
    if steps < least_steps:
        raise InputError(f"model {model} needs series of at least {least_steps} steps, but the data set's have {steps}")
    return channels, steps


def _in_words(spec: InputSpec) -> str:
    kind = {"pixels": "images", "signal": "numbers", "embedding": "tokens"}[spec.space]
    return f"{kind} of shape {spec.shape}"
