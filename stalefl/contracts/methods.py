"""What a method sees, and the steps that it may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stalefl.contracts.base import AnyOptions, Options, State
from stalefl.contracts.data import InputSpec
from stalefl.contracts.model import Model
from stalefl.contracts.training import LocalTraining

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
    model: Model
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
