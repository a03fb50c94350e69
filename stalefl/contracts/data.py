"""What a data set gives, and what a model is built for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from stalefl.contracts.base import AnyOptions, Options

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class InputSpec:
    """What a model sees: all that a method may know about the clients' inputs.

    ``shape`` is the shape of one input without the batch dimension; ``value_range`` the least and greatest value an
    input can take as the model receives it (after normalisation), per channel (first dimension of ``shape``).
    ``space`` says where inputs can be optimised: ``pixels`` and ``signal`` directly. A data set of texts declares
    ``tokens``: whole numbers [L], 0 for padding. Methods and attacks see the same samples in the space ``embedding``:
    the vectors [L, D] that stand for them in the model's ``training.embedding.TokenEmbedding``.
    """

    shape: tuple[int, ...]
    classes: int
    value_range: tuple[tuple[float, ...], tuple[float, ...]]
    space: Literal["pixels", "signal", "tokens", "embedding"] = "pixels"
    class_names: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    """[V], what each token number stands for."""
    channel_names: tuple[str, ...] = ()
    """[C], what each channel of a signal [C, L] is; pictures of several say which curve is which."""


@dataclass(frozen=True)
class Split:
    """Labelled samples in memory. ``raw`` [N, ...] is stored compactly (uint8 for images); ``targets`` [N] is int64."""

    raw: Tensor
    targets: Tensor
    to_model: Callable[[Tensor], Tensor]
    """Raw values [n, ...] -> float32 model inputs [n, *spec.shape]."""

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
        """The model inputs [n, *shape] and targets [n] of the samples named by ``indices``."""
        return self.to_model(self.raw[indices]), self.targets[indices]


@dataclass(frozen=True)
class Dataset:
    """A data set ready for federated training: a training split to be divided among clients, and a test split."""

    name: str
    train: Split
    test: Split
    spec: InputSpec


@dataclass(frozen=True)
class DataContext:
    """Where data lie and whether they may be fetched. ``download`` is never true unless the user asked for it."""

    data_dir: Path
    download: bool = False


class DatasetPlugin:
    """Subclass to add a data set; register it with the hook ``stalefl_datasets``."""

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def load(self, context: DataContext) -> Dataset:
        """Read the data set. Raises InputError if it is missing (and downloads are not allowed) or damaged."""
        raise NotImplementedError(f"{type(self).__name__} does not define load")


class ModelPlugin:
    """Subclass to add a model; register it with the hook ``stalefl_models``."""

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options
    example_spec: ClassVar[InputSpec | None] = None
    """Inputs to check the model with; None if it takes small vectors or images."""

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def build(self, spec: InputSpec) -> nn.Module:
        """A module that maps inputs [N, *spec.shape] to logits [N, spec.classes].

        Initial values may be drawn as usual: the caller puts torch's default generator into a named state before and
        restores it afterwards. Raises InputError if the model does not fit ``spec``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define build")
