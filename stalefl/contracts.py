"""What a plugin author reads: the frozen records that cross rooms and the classes a plugin subclasses.

Nothing here imports torch at run time, so that ``stalefl --help`` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from stalefl.training.local_update import LocalTraining
    from stalefl.training.model import FlatModel

PROGRESS = "stalefl.progress"
"""The logger whose infos a user sees without asking: how far a step is that takes minutes. Not more than a line every
few seconds, with the time left."""

State = Mapping[str, Any]
"""A method's memory between rounds: plain data only (dict, list, tuple, tensor, number, string, bool, None), so that
it can be written to a checkpoint and read back bit for bit. Keys of dicts are strings or integers (client ids)."""


class Options(BaseModel):
    """Base of every plugin's own options: unknown keys are errors, values are validated, instances are frozen.

    Give each field a default and a ``description``; both are shown by ``stalefl plugins show NAME``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


AnyOptions = Options
"""The same, for the plugin classes below, in whose bodies the name ``Options`` is their own schema."""


class InputError(ValueError):
    """Bad input from the user: one clear line that says what is wrong, where, and what would be valid (exit code 2)."""


# --- data -----------------------------------------------------------------------------------------------------------


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


# --- methods --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClientUpdate:
    """What arrives at the server: ``delta`` [P] is the client's weights after local training minus ``base_weights``."""

    client: int
    delta: Tensor
    samples: int
    dispatched_round: int
    arrived_round: int
    base_weights: Tensor
    """[P], the weights the client was given."""
    buffers: Mapping[str, Tensor] = field(default_factory=dict)
    """The client's buffers after local training (batch-norm statistics); averaged apart, never compensated."""

    @property
    def staleness_rounds(self) -> int:
        return self.arrived_round - self.dispatched_round


@dataclass(frozen=True)
class ServerView:
    """All a method can see of a round. It holds no data set, no fresh update of a late client and no truth."""

    round: int
    """The round in progress, from 1; 0 in ``init``."""
    weights: Tensor
    """[P], the global model at the start of the round, in every step."""
    buffers: Mapping[str, Tensor]
    model: FlatModel
    training: LocalTraining
    """The local program that every client runs."""
    input_spec: InputSpec
    generator: torch.Generator
    """Named by (seed, purpose, round, client): drawing from it never disturbs another draw."""
    staleness_rounds: int = 0
    """In ``dispatch``: the delay with which the reply will arrive. In ``compensate``: the update's staleness."""
    awaited: frozenset[tuple[int, int]] = frozenset()
    """(client, dispatched round) of the models that clients still work on after this round's arrivals; empty in
    ``init`` and ``dispatch``."""
    clients: int = 0
    """How many clients there are, heard or not; 0 where that is not known (an update that came as a file)."""


class Compensated(NamedTuple):
    """A compensated update: ``delta`` [P] and the weight it gets in the aggregation (FedAvg: the sample count)."""

    delta: Tensor
    weight: float
    state: State
    iterations: int = 0
    """Inversion iterations spent on this update; 0 for methods that do not invert."""
    facts: Mapping[str, float | bool] = MappingProxyType({})
    """What the method wants on record about this update (``late_updates`` in rounds.jsonl)."""


@dataclass(frozen=True)
class Contribution:
    """One update as it enters the aggregation, after compensation."""

    update: ClientUpdate
    delta: Tensor
    weight: float
    iterations: int = 0
    facts: Mapping[str, float | bool] = field(default_factory=dict)


class Compensator:
    """A method: explicit state and pure steps. Only what a subclass overrides differs from FedAvg.

    Steps never change their arguments in place and draw only from ``view.generator``. Register the class with the hook
    ``stalefl_compensators``.
    """

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options
    without_staleness: ClassVar[bool] = False
    """True only for a reference that is simulated as if no client were late."""
    changes_fresh_updates: ClassVar[str] = ""
    """Why ``compensate`` changes the delta even of updates without staleness; empty where it does not."""

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def init(self, view: ServerView) -> State:
        """The state before the first round."""
        return {}

    def dispatch(self, client: int, view: ServerView, state: State) -> Tensor:
        """The weights [P] sent to a client. Default: the current global weights."""
        return view.weights

    def prepare(self, arrivals: Sequence[tuple[ClientUpdate, ServerView]], state: State) -> State:
        """Called once a round, before the updates are compensated one by one, with all of them and the view that
        ``compensate`` will be given with each: what is cheaper done together is done here. Default: nothing."""
        return state

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        """Called for every update that arrives, fresh ones (staleness 0) first. Default: as it is, FedAvg weight."""
        return Compensated(update.delta, float(update.samples), state)

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        """The next global weights [P]. Default: current weights plus the weighted mean of the deltas."""
        total = sum(c.weight for c in contributions)
        if total <= 0:
            return view.weights, state
        weights = view.weights.clone()
        for c in contributions:
            weights += (c.weight / total) * c.delta
        return weights, state

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        """A last step at the server on the aggregated weights [P]. Default: identity."""
        return weights, state


# --- attacks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exposure:
    """All that one sees who receives a client's update: the update as it was sent, and what a server knows anyway."""

    delta: Tensor
    """[P], weights after local training minus those before, after the client's defences; 0 where nothing was sent."""
    sent: Tensor | None
    """[P] bool, the entries that were sent; None: all of them."""
    base_weights: Tensor
    """[P], the weights the client was given."""
    buffers: Mapping[str, Tensor]
    model: FlatModel
    training: LocalTraining
    """The local program that every client runs."""
    samples: int
    """How many samples the client reports to train on."""
    input_spec: InputSpec
    generator: torch.Generator
    """Named by (seed, attack, defence, case, restart)."""

    @property
    def gradient(self) -> Tensor:
        """[P], the gradient that, held constant, would have given the update: after one SGD step the loss's own, up to
        rounding; after several a mean along the client's way."""
        return self.delta / -self.training.reach(self.training.steps(self.samples))


class Leak(NamedTuple):
    """What an attack recovered."""

    labels: Tensor
    """[M, K], one distribution over the classes per recovered sample, in no particular order."""
    inputs: Tensor | None = None
    """[M, *shape], within the value range, in the order of ``labels``; None from an attack on labels alone."""
    loss: float = 0.0
    """What the attack minimised: of several restarts the one with the least is kept."""
    iterations: int = 0


class Attack:
    """Recovers what it can from one update. It is given no data and no truth, and draws only from
    ``exposure.generator``. Register the class with the hook ``stalefl_attacks``.
    """

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options
    draws: ClassVar[bool] = True
    """False for an attack that makes no random choice, which a restart would only repeat."""

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def unfit(self, exposure: Exposure) -> str:
        """Why the attack cannot be made on this update, in a few words; empty where it can. Default: it can."""
        return ""

    def attack(self, exposure: Exposure, on_progress: Callable[[float], None]) -> Leak:
        """One attempt. ``on_progress`` is told from time to time which share of it, from 0 to 1, is done."""
        raise NotImplementedError(f"{type(self).__name__} does not define attack")


# --- observers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watched:
    """The run that an observer is told of."""

    folder: Path
    """The run's folder; what an observer writes goes into a folder of its own below it."""
    settings: Mapping[str, Any]
    """The experiment, table by table, as the run's config.toml has it: one method, one seed."""
    input_spec: InputSpec
    records: Sequence[Mapping[str, Any]]
    """The rounds that are done, as rounds.jsonl has them: those before a resumed run goes on, else none."""


class Observer:
    """Is told of a run as it goes on, and writes of it what it likes; the run is the same with and without it. Register
    the class with the hook ``stalefl_observers``. One object watches one run, in the process that does it.
    """

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: AnyOptions) -> None:
        self.options = options

    def begin(self, watched: Watched) -> None:
        """Called before the first round, or before the one that a resumed run goes on with. Rounds after those of
        ``watched.records`` may have been observed before the run was stopped: they come again. Default: nothing."""

    def observe(self, record: Mapping[str, Any], method_state: State) -> None:
        """Called after every round with its line of rounds.jsonl and what the method remembers. Default: nothing."""

    def end(self, result: Mapping[str, Any] | None) -> None:
        """Called last, with result.json; None if the run was stopped or has failed. Default: nothing."""


# --- registration ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A name a plugin offers. ``target`` is the class, or ``"module:Class"`` to be imported when first used."""

    name: str
    target: type[Any] | str
