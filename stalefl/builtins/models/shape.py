"""What the convolutional models need to know about an input's shape."""

from __future__ import annotations

from stalefl.contracts import InputError, InputSpec


def image_shape(spec: InputSpec, model: str, least_side: int) -> tuple[int, int, int]:
    """(channels, height, width) of one input; InputError unless it is an image of at least ``least_side`` pixels."""
    if len(spec.shape) != 3:
        valid = (
            "valid: a model of texts, as textcnn of stalefl-text"
            if spec.space == "tokens"
            else "the model mlp takes any shape"
        )
        raise InputError(
            f"model {model} needs images (channels, height, width), but the data set's inputs have shape {spec.shape}; "
            f"{valid}"
        )
    channels, height, width = spec.shape
    if min(height, width) < least_side:
        raise InputError(
            f"model {model} needs images of at least {least_side}x{least_side} pixels, "
            f"but the data set's are {height}x{width}"
        )
    return channels, height, width
